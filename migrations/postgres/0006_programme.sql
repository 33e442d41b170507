-- The programme: support families, pairings and their evaluation, families referred twice, counts reported by
-- other programmes, and the rights of those whose data is here.

-- Objected to being counted, and erased: instants, or nothing.
ALTER TABLE case_file ADD COLUMN objected_ms BIGINT;
ALTER TABLE case_file ADD COLUMN erased_ms BIGINT;
-- Whether its linkage tags stand in `linkage_tag`.
ALTER TABLE case_file ADD COLUMN linked INTEGER NOT NULL DEFAULT 0 CHECK (linked IN (0, 1));
CREATE INDEX case_unlinked ON case_file (received_ms, id) WHERE linked = 0;

CREATE TABLE support_family (
    id              UUID    NOT NULL PRIMARY KEY, -- its key and identity stand under it
    organisation_id UUID    NOT NULL REFERENCES partner (id),
    coordinator     TEXT    NOT NULL, -- account name
    state           TEXT    NOT NULL CHECK (state IN ('registered', 'screening', 'available', 'paired', 'left')),
    municipality    TEXT    NOT NULL,
    district        TEXT    NOT NULL, -- '' when unknown
    facts_version   INTEGER NOT NULL,
    facts           BYTEA   NOT NULL, -- sealed: what it offers, how its screening stands
    registered_ms   BIGINT NOT NULL,
    changed_ms      BIGINT NOT NULL,
    version         INTEGER NOT NULL
);
CREATE INDEX support_by_place ON support_family (organisation_id, municipality, registered_ms, id);

CREATE TABLE pairing (
    id                UUID    NOT NULL PRIMARY KEY,
    case_id           UUID    NOT NULL REFERENCES case_file (id),
    support_family_id UUID    NOT NULL REFERENCES support_family (id),
    state             TEXT    NOT NULL CHECK (state IN ('introduction', 'trial', 'paired', 'ended')),
    children          INTEGER NOT NULL CHECK (children BETWEEN 1 AND 15),
    introduced_ms     BIGINT NOT NULL,
    trial_ms          BIGINT,
    trial_until_ms    BIGINT,
    extended          INTEGER NOT NULL CHECK (extended IN (0, 1)),
    paired_ms         BIGINT,
    evaluate_ms       BIGINT, -- when the next evaluation is due
    ended_ms          BIGINT,
    end_reason        TEXT,
    next_form         TEXT,
    changed_ms        BIGINT NOT NULL,
    version           INTEGER NOT NULL
);
CREATE INDEX pairing_by_case ON pairing (case_id, introduced_ms, id);
CREATE INDEX pairing_by_support_family ON pairing (support_family_id, state);

CREATE TABLE evaluation (
    id                UUID    NOT NULL PRIMARY KEY,
    pairing_id        UUID    NOT NULL REFERENCES pairing (id),
    professional_help TEXT    NOT NULL,
    network_extended  INTEGER NOT NULL CHECK (network_extended IN (0, 1)),
    social_contacts   TEXT    NOT NULL,
    grade             INTEGER NOT NULL CHECK (grade BETWEEN 10 AND 100), -- tenths
    placement_avoided TEXT    NOT NULL,
    note              BYTEA, -- sealed
    at_ms             BIGINT NOT NULL
);
CREATE INDEX evaluation_by_pairing ON evaluation (pairing_id, at_ms, id);

CREATE TABLE support_release (
    id                UUID    NOT NULL PRIMARY KEY,
    support_family_id UUID    NOT NULL REFERENCES support_family (id),
    person            TEXT    NOT NULL, -- account name
    reason            BYTEA   NOT NULL, -- sealed
    at_ms             BIGINT  NOT NULL
);
CREATE INDEX support_release_by_family ON support_release (support_family_id, at_ms, id);

-- Counts that other programmes report about themselves; nobody is in them.
CREATE TABLE programme_report (
    id           UUID    NOT NULL PRIMARY KEY,
    partner_id   UUID    NOT NULL REFERENCES partner (id),
    programme    TEXT    NOT NULL,
    municipality TEXT    NOT NULL,
    period       TEXT    NOT NULL, -- quarter, such as 2026Q3
    version      INTEGER NOT NULL, -- a report sent again is a new version
    received_ms  BIGINT  NOT NULL,
    UNIQUE (partner_id, programme, municipality, period, version)
);

CREATE TABLE programme_count (
    report_id UUID   NOT NULL REFERENCES programme_report (id),
    measure   TEXT   NOT NULL,
    value     BIGINT NOT NULL CHECK (value >= 0), -- a grade in tenths
    PRIMARY KEY (report_id, measure)
);
