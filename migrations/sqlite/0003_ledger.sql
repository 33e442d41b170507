-- 0003: the ledger: an RFC 6962 tree over leaves whose exact bytes are kept.
-- Twin of migrations/postgres/0003_ledger.sql. Append-only: see the triggers.

CREATE TABLE audit_entry (
    seq       INTEGER NOT NULL PRIMARY KEY,
    leaf      BLOB    NOT NULL, -- what is hashed; the columns below repeat parts of it
    leaf_hash BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
    at_us     INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
    event     TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    object    TEXT     -- the ledger's own name for a case in hex, never its id
) STRICT;

CREATE INDEX audit_entry_by_object ON audit_entry (object); -- "who looked at this case?"

CREATE TABLE audit_head (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log        TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    peaks      BLOB    NOT NULL, -- compact range: what is needed to append
    last_hash  BLOB    NOT NULL CHECK (length(last_hash) = 32),
    checkpoint TEXT    NOT NULL  -- signed tree head, C2SP
) STRICT;

CREATE TRIGGER audit_entry_not_updated BEFORE UPDATE ON audit_entry
BEGIN SELECT raise(ABORT, 'audit_entry is append-only'); END;

CREATE TRIGGER audit_entry_not_deleted BEFORE DELETE ON audit_entry
BEGIN SELECT raise(ABORT, 'audit_entry is append-only'); END;

CREATE TRIGGER audit_head_not_deleted BEFORE DELETE ON audit_head
BEGIN SELECT raise(ABORT, 'audit_head stays'); END;

CREATE TRIGGER audit_head_only_grows BEFORE UPDATE ON audit_head WHEN new.size < old.size
BEGIN SELECT raise(ABORT, 'audit_head only grows'); END;

-- REPLACE deletes what is in its way without asking the triggers above.
CREATE TRIGGER audit_entry_not_replaced BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE seq = new.seq)
BEGIN SELECT raise(ABORT, 'audit_entry is append-only'); END;

-- Starting a ledger where there is one has no effect, so this does not fail.
CREATE TRIGGER audit_head_not_replaced BEFORE INSERT ON audit_head
WHEN EXISTS (SELECT 1 FROM audit_head)
BEGIN SELECT raise(IGNORE); END;
