-- 0001: who takes part, and the keys of this deployment.
-- Twin of migrations/postgres/0001_register.sql.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE key_ring (
    purpose    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'verify-only', 'destroyed')),
    wrapped    BLOB    NOT NULL, -- under the root key, which is in no database
    PRIMARY KEY (purpose, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE partner (
    id     BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name   TEXT NOT NULL UNIQUE,
    number TEXT NOT NULL UNIQUE, -- OIN or URA
    kind   TEXT NOT NULL CHECK (kind IN ('referrer', 'coordination', 'municipality', 'oversight', 'operations')),
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended'))
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_pin (
    partner_id BLOB NOT NULL REFERENCES partner (id),
    pin        BLOB NOT NULL CHECK (length(pin) = 32), -- SHA-256 of SubjectPublicKeyInfo
    PRIMARY KEY (partner_id, pin)
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_issuer (
    iss        TEXT NOT NULL PRIMARY KEY, -- an issuer speaks for one partner
    partner_id BLOB NOT NULL REFERENCES partner (id),
    jwks       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_source (
    partner_id BLOB NOT NULL REFERENCES partner (id),
    source     TEXT NOT NULL,
    PRIMARY KEY (partner_id, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE partner_municipality (
    partner_id   BLOB NOT NULL REFERENCES partner (id),
    municipality TEXT NOT NULL,
    PRIMARY KEY (partner_id, municipality)
) STRICT, WITHOUT ROWID;

CREATE TABLE territory (
    municipality    TEXT    NOT NULL,
    district        TEXT    NOT NULL, -- '' for all of the gemeente
    organisation_id BLOB    NOT NULL REFERENCES partner (id),
    coordinator     TEXT    NOT NULL, -- account name
    automatic       INTEGER NOT NULL CHECK (automatic IN (0, 1)),
    PRIMARY KEY (municipality, district)
) STRICT, WITHOUT ROWID;
