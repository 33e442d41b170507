-- A referral and its case name each other; both ids are random and written together. An index on each of
-- these columns cost a page of every commit and answered no question: `audit reconcile` compares them.

ALTER TABLE referral DROP CONSTRAINT referral_case_id_key;
ALTER TABLE case_file DROP CONSTRAINT case_file_referral_id_key;
