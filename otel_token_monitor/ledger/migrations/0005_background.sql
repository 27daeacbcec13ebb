-- Calls that go on at the server, and whose usage is not known yet: see ledger/background.py.
CREATE TABLE background (
    response_id  TEXT PRIMARY KEY,
    time_ns      INTEGER NOT NULL,
    nonce        INTEGER NOT NULL,
    label_set_id INTEGER NOT NULL REFERENCES label_set (id)
) WITHOUT ROWID;
CREATE INDEX background_time ON background (time_ns);
