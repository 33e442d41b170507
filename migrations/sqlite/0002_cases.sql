-- 0002: referrals, the cases they became, and the sealed identities behind them.
-- Twin of migrations/postgres/0002_cases.sql. No column here holds a name, a date of birth, an address,
-- a number or a text about anybody: those are in `sealed` columns, under the key of the case.
-- Rows that one statement group writes together (referral, case_file, case_key, identity) do not refer to
-- each other by foreign key: checking them cost a fifth of the throughput on SQLite.

CREATE TABLE referral (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    partner_id   BLOB    NOT NULL REFERENCES partner (id),
    case_id      BLOB    NOT NULL UNIQUE CHECK (length(case_id) = 16),
    source       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    accepted_as  TEXT    NOT NULL, -- status in the first answer, for an idempotent replay
    received_ms  INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX referral_by_partner ON referral (partner_id, received_ms, id);

CREATE TABLE case_file (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    referral_id     BLOB    NOT NULL UNIQUE,
    organisation_id BLOB    NOT NULL REFERENCES partner (id),
    assignee        TEXT, -- account name of the coordinator
    state           TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    urgency         TEXT    NOT NULL,
    municipality    TEXT    NOT NULL,
    district        TEXT    NOT NULL, -- '' when unknown
    composition     TEXT    NOT NULL,
    youngest        TEXT    NOT NULL, -- age band
    facts_version   INTEGER NOT NULL,
    facts           BLOB    NOT NULL, -- sealed: what decisions rest on (labels, dates and decisions of consent)
    received_ms     INTEGER NOT NULL,
    changed_ms      INTEGER NOT NULL,
    version         INTEGER NOT NULL
) STRICT; -- rows this wide belong behind a row id: in the key's own tree they would spill
CREATE INDEX case_by_assignee ON case_file (organisation_id, assignee, received_ms, id);

CREATE TABLE case_key (
    case_id     BLOB    NOT NULL PRIMARY KEY,
    kek_version INTEGER NOT NULL,
    wrapped     BLOB    NOT NULL -- under the key-encryption key; destroyed to erase the case
) STRICT, WITHOUT ROWID;

-- Who the family is: one sealed blob per field group, side by side in `field_groups`, each opened by
-- itself and with a permit only (src/store/identities.rs tells the layout).
CREATE TABLE identity (
    case_id      BLOB    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    field_groups BLOB    NOT NULL
) STRICT;

CREATE TABLE assignment (
    case_id     BLOB    NOT NULL REFERENCES case_file (id),
    version     INTEGER NOT NULL,
    coordinator TEXT    NOT NULL,
    assigned_by TEXT    NOT NULL, -- account name, or 'territory'
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;

-- Each time an identity was opened: the row is written before it is opened.
CREATE TABLE identity_release (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    case_id      BLOB    NOT NULL REFERENCES case_file (id),
    person       TEXT    NOT NULL, -- account name
    purpose      TEXT    NOT NULL,
    stage        TEXT    NOT NULL,
    field_groups TEXT    NOT NULL, -- names of the groups, space between
    reason       BLOB    NOT NULL, -- sealed
    at_ms        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_release_by_case ON identity_release (case_id, at_ms, id);

CREATE TABLE idempotency (
    scope      BLOB    NOT NULL PRIMARY KEY CHECK (length(scope) = 32), -- keyed hash of partner, route, key
    body       BLOB    NOT NULL CHECK (length(body) = 32),              -- keyed hash of the body
    status     INTEGER NOT NULL,
    resource   BLOB    NOT NULL CHECK (length(resource) = 16),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_ms);

-- Messages that wait to be delivered: identifiers and a kind, nothing about anybody.
CREATE TABLE outbox (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    partner_id BLOB    NOT NULL REFERENCES partner (id),
    kind       TEXT    NOT NULL,
    object_id  BLOB    NOT NULL CHECK (length(object_id) = 16),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
