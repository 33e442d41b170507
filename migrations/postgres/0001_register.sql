-- 0001: who takes part, and the keys of this deployment.
-- Twin of migrations/sqlite/0001_register.sql.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE key_ring (
    purpose    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    created_ms BIGINT  NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'verify-only', 'destroyed')),
    wrapped    BYTEA   NOT NULL, -- under the root key, which is in no database
    PRIMARY KEY (purpose, version)
);

CREATE TABLE partner (
    id     UUID NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    number TEXT NOT NULL UNIQUE, -- OIN or URA
    kind   TEXT NOT NULL CHECK (kind IN ('referrer', 'coordination', 'municipality', 'oversight', 'operations')),
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended'))
);

CREATE TABLE partner_pin (
    partner_id UUID NOT NULL REFERENCES partner (id),
    pin        BYTEA NOT NULL CHECK (length(pin) = 32), -- SHA-256 of SubjectPublicKeyInfo
    PRIMARY KEY (partner_id, pin)
);

CREATE TABLE partner_issuer (
    iss        TEXT NOT NULL PRIMARY KEY, -- an issuer speaks for one partner
    partner_id UUID NOT NULL REFERENCES partner (id),
    jwks       TEXT NOT NULL
);

CREATE TABLE partner_source (
    partner_id UUID NOT NULL REFERENCES partner (id),
    source     TEXT NOT NULL,
    PRIMARY KEY (partner_id, source)
);

CREATE TABLE partner_municipality (
    partner_id   UUID NOT NULL REFERENCES partner (id),
    municipality TEXT NOT NULL,
    PRIMARY KEY (partner_id, municipality)
);

CREATE TABLE territory (
    municipality    TEXT    NOT NULL,
    district        TEXT    NOT NULL, -- '' for all of the gemeente
    organisation_id UUID    NOT NULL REFERENCES partner (id),
    coordinator     TEXT    NOT NULL, -- account name
    automatic       BOOLEAN NOT NULL,
    PRIMARY KEY (municipality, district)
);
