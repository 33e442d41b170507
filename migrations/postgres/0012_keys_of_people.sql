-- Signing in to the portal with a certificate.
-- Twin of migrations/sqlite/0012_keys_of_people.sql.

-- Part of the register: public keys by which somebody of a partner may sign in. A key is one person's.
CREATE TABLE partner_person_pin (
    pin        BYTEA NOT NULL PRIMARY KEY CHECK (length(pin) = 32), -- SHA-256 of SubjectPublicKeyInfo
    partner_id UUID  NOT NULL REFERENCES partner (id),
    account    TEXT  NOT NULL
);

-- With which certificate somebody signed in; nothing where it was another way. The session ends with the key, and with the
-- certificate: issuer (distinguished name, DER) and serial number are what revocation lists name.
ALTER TABLE portal_session ADD COLUMN pin BYTEA;
ALTER TABLE portal_session ADD COLUMN cert_issuer BYTEA;
ALTER TABLE portal_session ADD COLUMN cert_serial BYTEA;
ALTER TABLE portal_session ADD COLUMN cert_until_ms BIGINT;

-- The same of a code, and a keyed hash of what the browser keeps for which it was made.
ALTER TABLE portal_ticket ADD COLUMN pin BYTEA;
ALTER TABLE portal_ticket ADD COLUMN cert_issuer BYTEA;
ALTER TABLE portal_ticket ADD COLUMN cert_serial BYTEA;
ALTER TABLE portal_ticket ADD COLUMN cert_until_ms BIGINT;
ALTER TABLE portal_ticket ADD COLUMN state BYTEA;
