-- What a family may ask of what is kept of it: to see it, and to have it put right.

CREATE TABLE access_request (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    case_id     BLOB    NOT NULL REFERENCES case_file (id),
    subject     TEXT    NOT NULL, -- label in the referral, such as parent1
    received_ms INTEGER NOT NULL,
    due_ms      INTEGER NOT NULL,
    answered_ms INTEGER -- nothing while it waits
) STRICT, WITHOUT ROWID;
CREATE INDEX access_request_by_case ON access_request (case_id, received_ms, id);

-- Field groups that were corrected, sealed as `identity` is; of a group the highest version counts.
CREATE TABLE identity_correction (
    case_id      BLOB    NOT NULL REFERENCES case_file (id),
    version      INTEGER NOT NULL,
    field_groups BLOB    NOT NULL,
    PRIMARY KEY (case_id, version)
) STRICT;
