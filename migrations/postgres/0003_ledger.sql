-- 0003: the ledger: an RFC 6962 tree over leaves whose exact bytes are kept.
-- Twin of migrations/sqlite/0003_ledger.sql. Append-only: see the triggers.

CREATE TABLE audit_entry (
    seq       BIGINT  NOT NULL PRIMARY KEY,
    leaf      BYTEA   NOT NULL, -- what is hashed; the columns below repeat parts of it
    leaf_hash BYTEA   NOT NULL CHECK (length(leaf_hash) = 32),
    at_us     BIGINT  NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    event     TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    object    TEXT     -- the ledger's own name for a case in hex, never its id
);

CREATE INDEX audit_entry_by_object ON audit_entry (object); -- "who looked at this case?"

CREATE TABLE audit_head (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log        TEXT    NOT NULL,
    size       BIGINT  NOT NULL,
    root       BYTEA   NOT NULL CHECK (length(root) = 32),
    peaks      BYTEA   NOT NULL, -- compact range: what is needed to append
    last_hash  BYTEA   NOT NULL CHECK (length(last_hash) = 32),
    checkpoint TEXT    NOT NULL  -- signed tree head, C2SP
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;

CREATE TRIGGER audit_entry_not_updated BEFORE UPDATE ON audit_entry
FOR EACH ROW EXECUTE FUNCTION refuse_change('audit_entry is append-only');

CREATE TRIGGER audit_entry_not_deleted BEFORE DELETE ON audit_entry
FOR EACH ROW EXECUTE FUNCTION refuse_change('audit_entry is append-only');

CREATE TRIGGER audit_head_not_deleted BEFORE DELETE ON audit_head
FOR EACH ROW EXECUTE FUNCTION refuse_change('audit_head stays');

CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON audit_head
FOR EACH ROW WHEN (new.size < old.size) EXECUTE FUNCTION refuse_change('audit_head only grows');

CREATE TRIGGER audit_entry_not_truncated BEFORE TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('audit_entry is append-only');

CREATE TRIGGER audit_head_not_truncated BEFORE TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('audit_head stays');
