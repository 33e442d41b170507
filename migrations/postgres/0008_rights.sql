-- What a family may ask of what is kept of it: to see it, and to have it put right.

CREATE TABLE access_request (
    id          UUID    NOT NULL PRIMARY KEY,
    case_id     UUID    NOT NULL REFERENCES case_file (id),
    subject     TEXT    NOT NULL, -- label in the referral, such as parent1
    received_ms BIGINT NOT NULL,
    due_ms      BIGINT NOT NULL,
    answered_ms BIGINT -- nothing while it waits
);
CREATE INDEX access_request_by_case ON access_request (case_id, received_ms, id);

-- Field groups that were corrected, sealed as `identity` is; of a group the highest version counts.
CREATE TABLE identity_correction (
    case_id      UUID    NOT NULL REFERENCES case_file (id),
    version      INTEGER NOT NULL,
    field_groups BYTEA   NOT NULL,
    PRIMARY KEY (case_id, version)
);
