-- Facts about the file itself: its random id, when it was made.
CREATE TABLE ledger (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Every set of labels that was ever seen. Records and periods name their true labels; only the
-- cumulative rows, which Prometheus sees, fold into the set 'other' beyond the cap.
-- last_counted: UTC seconds at which a cumulative row of this set last grew; NULL: it has none.
CREATE TABLE label_set (
    id           INTEGER PRIMARY KEY,
    project      TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    last_counted INTEGER,
    UNIQUE (project, provider, model, endpoint)
);
CREATE INDEX label_set_last_counted ON label_set (last_counted) WHERE last_counted IS NOT NULL;

-- One call. In order of time, so that writing appends and reading a range needs no index.
CREATE TABLE record (
    time_ns           INTEGER NOT NULL,
    nonce             INTEGER NOT NULL,
    label_set_id      INTEGER NOT NULL REFERENCES label_set (id),
    source            TEXT NOT NULL,
    status            TEXT NOT NULL,
    input             INTEGER,
    input_cached      INTEGER,
    input_cache_write INTEGER,
    output            INTEGER,
    output_reasoning  INTEGER,
    estimated         INTEGER NOT NULL,
    unmetered         TEXT,
    response_model    TEXT,
    response_id       TEXT,
    duration_ns       INTEGER,
    first_token_ns    INTEGER,
    error_type        TEXT,
    cost_nanousd      INTEGER,
    trace_id          TEXT,
    span_id           TEXT,
    PRIMARY KEY (time_ns, nonce)
) WITHOUT ROWID;

-- The cumulative rows: what the Prometheus counters show. They never fall and are never deleted.
CREATE TABLE counter (
    label_set_id      INTEGER PRIMARY KEY REFERENCES label_set (id),
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
    unpriced          INTEGER NOT NULL
);

CREATE TABLE unmetered_counter (
    label_set_id INTEGER NOT NULL REFERENCES label_set (id),
    reason       TEXT NOT NULL,
    requests     INTEGER NOT NULL,
    PRIMARY KEY (label_set_id, reason)
) WITHOUT ROWID;

-- Histograms: a row per series, a column per bucket (not cumulative; the last one is beyond all
-- bounds). The bounds are in otel_token_monitor/usage.py; a change of them is a migration.
CREATE TABLE duration_histogram (
    label_set_id INTEGER PRIMARY KEY REFERENCES label_set (id),
    sum_ns INTEGER NOT NULL,
    b0 INTEGER NOT NULL, b1 INTEGER NOT NULL, b2 INTEGER NOT NULL, b3 INTEGER NOT NULL,
    b4 INTEGER NOT NULL, b5 INTEGER NOT NULL, b6 INTEGER NOT NULL, b7 INTEGER NOT NULL,
    b8 INTEGER NOT NULL, b9 INTEGER NOT NULL, b10 INTEGER NOT NULL, b11 INTEGER NOT NULL
);

CREATE TABLE first_token_histogram (
    label_set_id INTEGER PRIMARY KEY REFERENCES label_set (id),
    sum_ns INTEGER NOT NULL,
    b0 INTEGER NOT NULL, b1 INTEGER NOT NULL, b2 INTEGER NOT NULL, b3 INTEGER NOT NULL,
    b4 INTEGER NOT NULL, b5 INTEGER NOT NULL, b6 INTEGER NOT NULL, b7 INTEGER NOT NULL,
    b8 INTEGER NOT NULL, b9 INTEGER NOT NULL
);

-- Tokens a request; their sum is in the row of `counter`.
CREATE TABLE input_tokens_histogram (
    label_set_id INTEGER PRIMARY KEY REFERENCES label_set (id),
    b0 INTEGER NOT NULL, b1 INTEGER NOT NULL, b2 INTEGER NOT NULL, b3 INTEGER NOT NULL,
    b4 INTEGER NOT NULL, b5 INTEGER NOT NULL, b6 INTEGER NOT NULL, b7 INTEGER NOT NULL,
    b8 INTEGER NOT NULL, b9 INTEGER NOT NULL
);

CREATE TABLE output_tokens_histogram (
    label_set_id INTEGER PRIMARY KEY REFERENCES label_set (id),
    b0 INTEGER NOT NULL, b1 INTEGER NOT NULL, b2 INTEGER NOT NULL, b3 INTEGER NOT NULL,
    b4 INTEGER NOT NULL, b5 INTEGER NOT NULL, b6 INTEGER NOT NULL, b7 INTEGER NOT NULL,
    b8 INTEGER NOT NULL, b9 INTEGER NOT NULL
);

-- Sums per UTC quarter-hour (counted from the epoch), by true labels.
CREATE TABLE period (
    quarter           INTEGER NOT NULL,
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
    PRIMARY KEY (quarter, label_set_id)
) WITHOUT ROWID;

-- What went wrong, over all processes: cumulative, by name.
CREATE TABLE health (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- The last batch that each writer committed: how a writer learns, after an error in the middle of
-- a commit, whether the batch is in.
CREATE TABLE writer (
    id      TEXT PRIMARY KEY,
    batch   INTEGER NOT NULL,
    time_ns INTEGER NOT NULL
) WITHOUT ROWID;
