-- 0004: figures for gemeenten: closed years counted before the gateway, and immutable releases.
-- Twin of migrations/sqlite/0004_figures.sql.

CREATE TABLE history_count (
    municipality TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    year         INTEGER NOT NULL,
    families     BIGINT  NOT NULL CHECK (families >= 0),
    PRIMARY KEY (municipality, source, year)
);

CREATE TABLE statistics_release (
    id           UUID    NOT NULL PRIMARY KEY,
    municipality TEXT    NOT NULL,
    year         INTEGER NOT NULL,
    body         TEXT    NOT NULL, -- canonical JSON: what is served, byte for byte
    sha256       BYTEA   NOT NULL CHECK (length(sha256) = 32),
    sealed_ms    BIGINT  NOT NULL,
    UNIQUE (municipality, year)
);

CREATE TRIGGER statistics_release_not_updated BEFORE UPDATE ON statistics_release
FOR EACH ROW EXECUTE FUNCTION refuse_change('statistics_release is immutable');

CREATE TRIGGER statistics_release_not_deleted BEFORE DELETE ON statistics_release
FOR EACH ROW EXECUTE FUNCTION refuse_change('statistics_release is immutable');

CREATE TRIGGER statistics_release_not_truncated BEFORE TRUNCATE ON statistics_release
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('statistics_release is immutable');
