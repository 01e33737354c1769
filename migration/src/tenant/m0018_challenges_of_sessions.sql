-- An enrolment is worth what the session is that began it: whoever is logged out meanwhile confirms no factor any more.

ALTER TABLE mfa_challenges
    -- The session that enrols. NULL: a login, which has none yet.
    ADD COLUMN session_id uuid REFERENCES sessions (id) ON DELETE CASCADE;
