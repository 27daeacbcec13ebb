-- What was last notified of each budget, so that many processes notify each transition once.
-- status: 0, 1, 2. window_start_ns: 0 for minutes. lower_since_ns: since when it reads lower than
-- its status (UTC); NULL: it does not. reported_ppm: the share of the limit, in millionths, that was
-- last reported. firing: the alerts that fire, by severity (JSON). A budget without a row is normal.
CREATE TABLE budget_state (
    budget          TEXT PRIMARY KEY,
    status          INTEGER NOT NULL,
    window_start_ns INTEGER NOT NULL,
    lower_since_ns  INTEGER,
    reported_ppm    INTEGER NOT NULL,
    firing          TEXT NOT NULL
) WITHOUT ROWID;

-- What was notified, by a key that is the same wherever it comes from: a repeat is none.
-- seen_ns: when it was last heard of (UTC).
CREATE TABLE notified (
    key     TEXT PRIMARY KEY,
    seen_ns INTEGER NOT NULL
) WITHOUT ROWID;

-- Notifications that are still to be delivered somewhere, in order (JSON).
CREATE TABLE notification (
    id       INTEGER PRIMARY KEY,
    time_ns  INTEGER NOT NULL,
    document TEXT NOT NULL
);

-- To whom; a row goes when it is delivered or given up. next_ns: not before. leased_ns: until then
-- a process is at it.
CREATE TABLE delivery (
    target          TEXT NOT NULL,
    notification_id INTEGER NOT NULL REFERENCES notification (id),
    attempts        INTEGER NOT NULL,
    next_ns         INTEGER NOT NULL,
    leased_ns       INTEGER NOT NULL,
    PRIMARY KEY (target, notification_id)
) WITHOUT ROWID;
CREATE INDEX delivery_notification_id ON delivery (notification_id);

-- Where processes of this ledger deliver to: 'log', or a webhook by the hash of its address, for an
-- address may be a secret. origin: its scheme, host and port. seen_ns: when a process last had it.
CREATE TABLE alert_target (
    target  TEXT PRIMARY KEY,
    origin  TEXT NOT NULL,
    seen_ns INTEGER NOT NULL
) WITHOUT ROWID;
