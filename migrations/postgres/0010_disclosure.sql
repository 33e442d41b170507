-- Figures by quarter and year, of gemeenten and regions; what was disclosed of whom; which event was counted in which
-- quarter; who approved of more than a contract; where messages are delivered, and how far that is.
-- Twin of migrations/sqlite/0010_disclosure.sql. `statistics_release` holds nothing new from here on.

CREATE TABLE figures_release (
    id        UUID    NOT NULL PRIMARY KEY,
    area      TEXT    NOT NULL, -- CBS code of a gemeente, or the name of a region
    period    TEXT    NOT NULL, -- year, or quarter such as 2026Q3
    body      TEXT    NOT NULL, -- canonical JSON: what is served, byte for byte
    sha256    BYTEA    NOT NULL CHECK (length(sha256) = 32),
    sealed_ms BIGINT  NOT NULL,
    UNIQUE (area, period)
);

INSERT INTO figures_release (id, area, period, body, sha256, sealed_ms)
SELECT id, municipality, CAST(year AS TEXT), body, sha256, sealed_ms FROM statistics_release;

-- The disclosure ledger: what each release cost.
CREATE TABLE disclosure (
    release_id UUID    NOT NULL REFERENCES figures_release (id),
    kind       TEXT    NOT NULL,
    area       TEXT    NOT NULL,
    year       INTEGER NOT NULL,
    tables     INTEGER NOT NULL CHECK (tables > 0),
    cap        INTEGER NOT NULL,
    epsilon    INTEGER NOT NULL, -- of one table, in thousandths; 0 where nothing was drawn
    commitment BYTEA    NOT NULL, -- SHA-256 of the seed, or empty
    approved   TEXT    NOT NULL, -- 'contract', or the names of those who approved of more
    at_ms      BIGINT  NOT NULL,
    PRIMARY KEY (release_id, kind)
);
CREATE INDEX disclosure_by_area ON disclosure (area, year, kind);

-- What the later quarters of a year need of a sealed one: a count with its noise, never a count.
CREATE TABLE measured (
    release_id UUID    NOT NULL REFERENCES figures_release (id),
    kind       TEXT    NOT NULL,
    value      BIGINT  NOT NULL,
    units      BIGINT  NOT NULL,
    PRIMARY KEY (release_id, kind)
);

-- Somebody approved of a table beyond the contract.
CREATE TABLE disclosure_approval (
    area      TEXT    NOT NULL,
    period    TEXT    NOT NULL,
    table_id  TEXT    NOT NULL,
    approver  TEXT    NOT NULL,
    signature BYTEA    NOT NULL,
    at_ms     BIGINT  NOT NULL,
    PRIMARY KEY (area, period, table_id, approver)
);

CREATE TRIGGER figures_release_not_updated BEFORE UPDATE ON figures_release
FOR EACH ROW EXECUTE FUNCTION refuse_change('figures_release is immutable');

CREATE TRIGGER figures_release_not_deleted BEFORE DELETE ON figures_release
FOR EACH ROW EXECUTE FUNCTION refuse_change('figures_release is immutable');

CREATE TRIGGER figures_release_not_truncated BEFORE TRUNCATE ON figures_release
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('figures_release is immutable');

CREATE TRIGGER disclosure_not_updated BEFORE UPDATE ON disclosure
FOR EACH ROW EXECUTE FUNCTION refuse_change('disclosure is immutable');

CREATE TRIGGER disclosure_not_deleted BEFORE DELETE ON disclosure
FOR EACH ROW EXECUTE FUNCTION refuse_change('disclosure is immutable');

CREATE TRIGGER disclosure_not_truncated BEFORE TRUNCATE ON disclosure
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('disclosure is immutable');

CREATE TRIGGER measured_not_updated BEFORE UPDATE ON measured
FOR EACH ROW EXECUTE FUNCTION refuse_change('measured is immutable');

CREATE TRIGGER measured_not_deleted BEFORE DELETE ON measured
FOR EACH ROW EXECUTE FUNCTION refuse_change('measured is immutable');

CREATE TRIGGER measured_not_truncated BEFORE TRUNCATE ON measured
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('measured is immutable');

CREATE TRIGGER disclosure_approval_not_updated BEFORE UPDATE ON disclosure_approval
FOR EACH ROW EXECUTE FUNCTION refuse_change('disclosure_approval is immutable');

CREATE TRIGGER disclosure_approval_not_deleted BEFORE DELETE ON disclosure_approval
FOR EACH ROW EXECUTE FUNCTION refuse_change('disclosure_approval is immutable');

CREATE TRIGGER disclosure_approval_not_truncated BEFORE TRUNCATE ON disclosure_approval
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('disclosure_approval is immutable');


-- The quarter in which it was counted; nothing while it was not.
ALTER TABLE case_file ADD COLUMN booked TEXT;
ALTER TABLE support_family ADD COLUMN booked TEXT;
ALTER TABLE pairing ADD COLUMN booked_made TEXT;
ALTER TABLE pairing ADD COLUMN booked_ended TEXT;

-- Where messages to a partner are delivered.
CREATE TABLE partner_endpoint (
    partner_id    UUID    NOT NULL PRIMARY KEY REFERENCES partner (id),
    url           TEXT    NOT NULL,
    authorities   TEXT    NOT NULL, -- PEM: who issues the receiver's certificate
    allow_private INTEGER NOT NULL CHECK (allow_private IN (0, 1))
);

-- How far the deliveries to a partner are: one message at a time, in order.
CREATE TABLE delivery_lane (
    partner_id UUID    NOT NULL PRIMARY KEY REFERENCES partner (id),
    attempts   INTEGER NOT NULL, -- of the message at its head
    due_ms     BIGINT  NOT NULL,
    parked     INTEGER NOT NULL CHECK (parked IN (0, 1)),
    outcome    TEXT    NOT NULL  -- of the last attempt
);

-- Messages that were delivered.
CREATE TABLE delivered (
    message_id UUID    NOT NULL PRIMARY KEY REFERENCES outbox (id),
    attempts   INTEGER NOT NULL,
    at_ms      BIGINT  NOT NULL
);
CREATE INDEX outbox_by_partner ON outbox (partner_id, created_ms, id);
