-- When the sums of a UTC quarter-hour last changed: whoever follows the ledger remembers the highest
-- number that it has seen, and asks for what is above it.
CREATE TABLE changed (
    quarter INTEGER PRIMARY KEY,
    number  INTEGER NOT NULL
);
CREATE UNIQUE INDEX changed_number ON changed (number);
INSERT INTO changed
SELECT quarter, row_number() OVER (ORDER BY quarter) FROM (SELECT DISTINCT quarter FROM period);

-- Whose calls are here though they were counted elsewhere: the ids of other ledgers.
-- kind: 'file' (imported from files) or 'ledger', 'data_files' (followed, see ledger/following.py);
-- cursor: how far the other's changes were followed; NULL: they are not.
CREATE TABLE origin (
    id     TEXT PRIMARY KEY,
    kind   TEXT NOT NULL,
    cursor INTEGER
) WITHOUT ROWID;

-- What of `period` came from elsewhere. calls: how many single calls were imported; the sums are
-- those of calls that came without a record.
CREATE TABLE imported (
    origin            TEXT NOT NULL,
    quarter           INTEGER NOT NULL,
    label_set_id      INTEGER NOT NULL REFERENCES label_set (id),
    calls             INTEGER NOT NULL,
    input             INTEGER NOT NULL,
    input_cached      INTEGER NOT NULL,
    input_cache_write INTEGER NOT NULL,
    output            INTEGER NOT NULL,
    output_reasoning  INTEGER NOT NULL,
    estimated_input   INTEGER NOT NULL,
    estimated_output  INTEGER NOT NULL,
    requests_ok       INTEGER NOT NULL,
    requests_error    INTEGER NOT NULL,
    unmetered         INTEGER NOT NULL,
    cost_nanousd      INTEGER NOT NULL,
    unpriced          INTEGER NOT NULL,
    PRIMARY KEY (origin, quarter, label_set_id)
) WITHOUT ROWID;
