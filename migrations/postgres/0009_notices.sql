-- Days of which the coordinator's organisation was told, each once.
CREATE TABLE deadline_notice (
    case_id UUID    NOT NULL REFERENCES case_file (id),
    kind    TEXT    NOT NULL,
    day     TEXT    NOT NULL, -- YYYY-MM-DD; a keyed hash where the kind is birthday
    at_ms   BIGINT NOT NULL,
    PRIMARY KEY (case_id, kind, day)
);
