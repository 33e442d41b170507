-- 0002: referrals, the cases they became, and the sealed identities behind them.
-- Twin of migrations/sqlite/0002_cases.sql. No column here holds a name, a date of birth, an address,
-- a number or a text about anybody: those are in `sealed` columns, under the key of the case.
-- Rows that one statement group writes together (referral, case_file, case_key, identity) do not refer to
-- each other by foreign key: checking them cost a fifth of the throughput on SQLite.

CREATE TABLE referral (
    id           UUID    NOT NULL PRIMARY KEY,
    partner_id   UUID    NOT NULL REFERENCES partner (id),
    case_id      UUID    NOT NULL UNIQUE,
    source       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    accepted_as  TEXT    NOT NULL, -- status in the first answer, for an idempotent replay
    received_ms  BIGINT  NOT NULL,
    changed_ms   BIGINT  NOT NULL,
    version      INTEGER NOT NULL
);
CREATE INDEX referral_by_partner ON referral (partner_id, received_ms, id);

CREATE TABLE case_file (
    id              UUID    NOT NULL PRIMARY KEY,
    referral_id     UUID    NOT NULL UNIQUE,
    organisation_id UUID    NOT NULL REFERENCES partner (id),
    assignee        TEXT, -- account name of the coordinator
    state           TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    urgency         TEXT    NOT NULL,
    municipality    TEXT    NOT NULL,
    district        TEXT    NOT NULL, -- '' when unknown
    composition     TEXT    NOT NULL,
    youngest        TEXT    NOT NULL, -- age band
    facts_version   INTEGER NOT NULL,
    facts           BYTEA   NOT NULL, -- sealed: what decisions rest on (labels, dates and decisions of consent)
    received_ms     BIGINT  NOT NULL,
    changed_ms      BIGINT  NOT NULL,
    version         INTEGER NOT NULL
);
CREATE INDEX case_by_assignee ON case_file (organisation_id, assignee, received_ms, id);

CREATE TABLE case_key (
    case_id     UUID    NOT NULL PRIMARY KEY,
    kek_version INTEGER NOT NULL,
    wrapped     BYTEA   NOT NULL -- under the key-encryption key; destroyed to erase the case
);

-- Who the family is: one sealed blob per field group, side by side in `field_groups`, each opened by
-- itself and with a permit only (src/store/identities.rs tells the layout).
CREATE TABLE identity (
    case_id      UUID    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    field_groups BYTEA   NOT NULL
);

CREATE TABLE assignment (
    case_id     UUID    NOT NULL REFERENCES case_file (id),
    version     INTEGER NOT NULL,
    coordinator TEXT    NOT NULL,
    assigned_by TEXT    NOT NULL, -- account name, or 'territory'
    at_ms       BIGINT  NOT NULL,
    PRIMARY KEY (case_id, version)
);

-- Each time an identity was opened: the row is written before it is opened.
CREATE TABLE identity_release (
    id           UUID    NOT NULL PRIMARY KEY,
    case_id      UUID    NOT NULL REFERENCES case_file (id),
    person       TEXT    NOT NULL, -- account name
    purpose      TEXT    NOT NULL,
    stage        TEXT    NOT NULL,
    field_groups TEXT    NOT NULL, -- names of the groups, space between
    reason       BYTEA   NOT NULL, -- sealed
    at_ms        BIGINT  NOT NULL
);
CREATE INDEX identity_release_by_case ON identity_release (case_id, at_ms, id);

CREATE TABLE idempotency (
    scope      BYTEA   NOT NULL PRIMARY KEY CHECK (length(scope) = 32), -- keyed hash of partner, route, key
    body       BYTEA   NOT NULL CHECK (length(body) = 32),              -- keyed hash of the body
    status     INTEGER NOT NULL,
    resource   UUID    NOT NULL,
    created_ms BIGINT  NOT NULL
);
CREATE INDEX idempotency_by_age ON idempotency (created_ms);

-- Messages that wait to be delivered: identifiers and a kind, nothing about anybody.
CREATE TABLE outbox (
    id         UUID    NOT NULL PRIMARY KEY,
    partner_id UUID    NOT NULL REFERENCES partner (id),
    kind       TEXT    NOT NULL,
    object_id  UUID    NOT NULL,
    created_ms BIGINT  NOT NULL
);
