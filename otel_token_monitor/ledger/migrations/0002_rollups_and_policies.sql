-- Sums per UTC hour and day (counted from the epoch), by true labels: beside `period`, so that a
-- month or a year, whichever time zone it is of, is added up from few rows.
CREATE TABLE hour (
    hour              INTEGER NOT NULL,
    label_set_id      INTEGER NOT NULL REFERENCES label_set (id),
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
    PRIMARY KEY (hour, label_set_id)
) WITHOUT ROWID;

INSERT INTO hour
SELECT quarter / 4, label_set_id, sum(input), sum(input_cached), sum(input_cache_write),
       sum(output), sum(output_reasoning), sum(estimated_input), sum(estimated_output),
       sum(requests_ok), sum(requests_error), sum(unmetered), sum(cost_nanousd), sum(unpriced)
FROM period
GROUP BY quarter / 4, label_set_id;

CREATE TABLE day (
    day               INTEGER NOT NULL,
    label_set_id      INTEGER NOT NULL REFERENCES label_set (id),
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
    PRIMARY KEY (day, label_set_id)
) WITHOUT ROWID;

INSERT INTO day
SELECT quarter / 96, label_set_id, sum(input), sum(input_cached), sum(input_cache_write),
       sum(output), sum(output_reasoning), sum(estimated_input), sum(estimated_output),
       sum(requests_ok), sum(requests_error), sum(unmetered), sum(cost_nanousd), sum(unpriced)
FROM period
GROUP BY quarter / 96, label_set_id;

-- The limits, thresholds and time zones that applications count under (JSON, without secrets). The
-- key 'policy' in `ledger` names the digest of the one that holds.
-- owner: the project of the application. silent: it sets nothing. seen_ns: when an application last
-- said that it goes by it (UTC).
CREATE TABLE policy (
    digest   TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    owner    TEXT NOT NULL,
    silent   INTEGER NOT NULL,
    seen_ns  INTEGER NOT NULL
) WITHOUT ROWID;
