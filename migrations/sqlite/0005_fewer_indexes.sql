-- A referral and its case name each other; both ids are random and written together. An index on each of
-- these columns cost a page of every commit and answered no question: `audit reconcile` compares them.
-- SQLite drops such an index only with its table. What points at a case is set aside meanwhile.

CREATE TABLE referral_next (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    partner_id   BLOB    NOT NULL REFERENCES partner (id),
    case_id      BLOB    NOT NULL CHECK (length(case_id) = 16),
    source       TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    accepted_as  TEXT    NOT NULL, -- status in the first answer, for an idempotent replay
    received_ms  INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO referral_next SELECT id, partner_id, case_id, source, status, accepted_as, received_ms,
    changed_ms, version FROM referral;
DROP TABLE referral;
ALTER TABLE referral_next RENAME TO referral;
CREATE INDEX referral_by_partner ON referral (partner_id, received_ms, id);

CREATE TABLE assignment_aside AS SELECT case_id, version, coordinator, assigned_by, at_ms FROM assignment;
CREATE TABLE identity_release_aside AS SELECT id, case_id, person, purpose, stage, field_groups, reason,
    at_ms FROM identity_release;
DROP TABLE assignment;
DROP TABLE identity_release;

CREATE TABLE case_file_next (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    referral_id     BLOB    NOT NULL,
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
INSERT INTO case_file_next SELECT id, referral_id, organisation_id, assignee, state, source, urgency,
    municipality, district, composition, youngest, facts_version, facts, received_ms, changed_ms, version
    FROM case_file;
DROP TABLE case_file;
ALTER TABLE case_file_next RENAME TO case_file;
CREATE INDEX case_by_assignee ON case_file (organisation_id, assignee, received_ms, id);

CREATE TABLE assignment (
    case_id     BLOB    NOT NULL REFERENCES case_file (id),
    version     INTEGER NOT NULL,
    coordinator TEXT    NOT NULL,
    assigned_by TEXT    NOT NULL, -- account name, or 'territory'
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;
INSERT INTO assignment SELECT case_id, version, coordinator, assigned_by, at_ms FROM assignment_aside;
DROP TABLE assignment_aside;

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
INSERT INTO identity_release SELECT id, case_id, person, purpose, stage, field_groups, reason, at_ms
    FROM identity_release_aside;
DROP TABLE identity_release_aside;
CREATE INDEX identity_release_by_case ON identity_release (case_id, at_ms, id);
