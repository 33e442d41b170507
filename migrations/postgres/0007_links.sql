-- Families that were referred twice: by what they may be known again, and what a coordinator decided.

-- Kind (1 byte) and keyed tag (16 bytes) of each feature, side by side (src/domain/likeness.rs). No value
-- can be read from a tag, and without the key none can be tried. Nothing once the case is erased.
ALTER TABLE case_file ADD COLUMN tags BYTEA;

-- Prepared for tags that would be spread over a table of their own: they are compared when a coordinator asks
-- (docs/decisions/0013-links-are-compared-when-asked.md). Each new row paid for this index.
DROP INDEX case_unlinked;

-- Decisions about two cases, the smaller id first; the last one counts.
CREATE TABLE linkage_decision (
    case_id  UUID    NOT NULL REFERENCES case_file (id),
    other_id UUID    NOT NULL REFERENCES case_file (id),
    version  INTEGER NOT NULL,
    decision TEXT    NOT NULL CHECK (decision IN ('linked', 'apart', 'open')),
    person   TEXT    NOT NULL, -- account name
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (case_id, other_id, version)
);
CREATE INDEX linkage_decision_by_other ON linkage_decision (other_id, case_id);
