-- The portal: who may sign in, how, and who is.
-- Twin of migrations/sqlite/0011_portal.sql.

-- Part of the register: people of a partner who may use the pages, by account name, with their roles.
CREATE TABLE partner_person (
    partner_id UUID NOT NULL REFERENCES partner (id),
    account    TEXT NOT NULL,
    role       TEXT NOT NULL,
    PRIMARY KEY (partner_id, account, role)
);

-- Part of the register: the OpenID provider that says who somebody of a partner is.
CREATE TABLE partner_sign_in (
    partner_id  UUID NOT NULL PRIMARY KEY REFERENCES partner (id),
    issuer      TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    claim       TEXT NOT NULL, -- which claim holds the account name
    acr         TEXT NOT NULL, -- how sure the provider must be; '' where anything will do
    authorities TEXT NOT NULL  -- PEM: who issues the provider's certificate
);

-- Somebody who is signed in. The cookie holds a secret of which this is a keyed hash.
CREATE TABLE portal_session (
    hash       BYTEA   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    partner_id UUID    NOT NULL REFERENCES partner (id),
    account    TEXT    NOT NULL,
    begun_ms   BIGINT  NOT NULL,
    seen_ms    BIGINT  NOT NULL
);

-- A way in that works once. The link holds a secret of which this is a keyed hash.
CREATE TABLE portal_ticket (
    hash       BYTEA   NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    partner_id UUID    NOT NULL REFERENCES partner (id),
    account    TEXT    NOT NULL,
    until_ms   BIGINT  NOT NULL
);
