-- Calls that go on at the server, and whose usage is not known yet: see ledger/background.py.
CREATE TABLE background (
    response_id  TEXT PRIMARY KEY,
    time_ns      INTEGER NOT NULL,
    nonce        INTEGER NOT NULL,
    label_set_id INTEGER NOT NULL REFERENCES label_set (id)
) WITHOUT ROWID;
CREATE INDEX background_time ON background (time_ns);

-- Which of the tokens in `counter` are audio's and images'.
CREATE TABLE modality_counter (
    label_set_id INTEGER NOT NULL REFERENCES label_set (id),
    direction    TEXT NOT NULL,
    modality     TEXT NOT NULL,
    tokens       INTEGER NOT NULL,
    PRIMARY KEY (label_set_id, direction, modality)
) WITHOUT ROWID;
