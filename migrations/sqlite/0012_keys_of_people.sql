-- Signing in to the portal with a certificate.
-- Twin of migrations/postgres/0012_keys_of_people.sql.

-- Part of the register: public keys by which somebody of a partner may sign in. A key is one person's.
CREATE TABLE partner_person_pin (
    pin        BLOB NOT NULL PRIMARY KEY CHECK (length(pin) = 32), -- SHA-256 of SubjectPublicKeyInfo
    partner_id BLOB NOT NULL REFERENCES partner (id),
    account    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- With which certificate somebody signed in; nothing where it was another way. The session ends with the key, and with the
-- certificate: issuer (distinguished name, DER) and serial number are what revocation lists name.
ALTER TABLE portal_session ADD COLUMN pin BLOB;
ALTER TABLE portal_session ADD COLUMN cert_issuer BLOB;
ALTER TABLE portal_session ADD COLUMN cert_serial BLOB;
ALTER TABLE portal_session ADD COLUMN cert_until_ms INTEGER;

-- The same of a code, and a keyed hash of what the browser keeps for which it was made.
ALTER TABLE portal_ticket ADD COLUMN pin BLOB;
ALTER TABLE portal_ticket ADD COLUMN cert_issuer BLOB;
ALTER TABLE portal_ticket ADD COLUMN cert_serial BLOB;
ALTER TABLE portal_ticket ADD COLUMN cert_until_ms INTEGER;
ALTER TABLE portal_ticket ADD COLUMN state BLOB;
