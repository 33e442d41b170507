-- 0004: figures for gemeenten: closed years counted before the gateway, and immutable releases.
-- Twin of migrations/postgres/0004_figures.sql.

CREATE TABLE history_count (
    municipality TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    year         INTEGER NOT NULL,
    families     INTEGER NOT NULL CHECK (families >= 0),
    PRIMARY KEY (municipality, source, year)
) STRICT, WITHOUT ROWID;

CREATE TABLE statistics_release (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    municipality TEXT    NOT NULL,
    year         INTEGER NOT NULL,
    body         TEXT    NOT NULL, -- canonical JSON: what is served, byte for byte
    sha256       BLOB    NOT NULL CHECK (length(sha256) = 32),
    sealed_ms    INTEGER NOT NULL,
    UNIQUE (municipality, year)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER statistics_release_not_updated BEFORE UPDATE ON statistics_release
BEGIN SELECT raise(ABORT, 'statistics_release is immutable'); END;

CREATE TRIGGER statistics_release_not_deleted BEFORE DELETE ON statistics_release
BEGIN SELECT raise(ABORT, 'statistics_release is immutable'); END;

-- REPLACE deletes what is in its way without asking the triggers above.
CREATE TRIGGER statistics_release_not_replaced BEFORE INSERT ON statistics_release
WHEN EXISTS (SELECT 1 FROM statistics_release WHERE id = new.id
    OR (municipality = new.municipality AND year = new.year))
BEGIN SELECT raise(ABORT, 'statistics_release is immutable'); END;
