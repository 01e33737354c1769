-- Second factor: authenticator apps and recovery codes.

-- One authenticator per user. It counts from its first right code on.
CREATE TABLE mfa_factors (
    user_id        uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- The shared secret, encrypted with a key that is not in the database.
    secret         bytea NOT NULL,
    created_at     timestamptz NOT NULL,
    confirmed_at   timestamptz,
    -- Time step of the last accepted code: that one and all before it are spent.
    last_step      bigint NOT NULL DEFAULT 0,
    -- Wrong codes since the last right one, over all logins.
    failures       integer NOT NULL DEFAULT 0,
    -- Until then codes of the app are not looked at.
    blocked_until  timestamptz
);

-- Each opens one login without the app. Random words of 80 bits, stored hashed.
CREATE TABLE mfa_recovery_codes (
    user_id    uuid NOT NULL REFERENCES mfa_factors (user_id) ON DELETE CASCADE,
    code_hash  bytea NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

-- A login that waits for its second factor, or an enrolment that waits for its first code.
CREATE TABLE mfa_challenges (
    id          uuid PRIMARY KEY,
    word_hash   bytea NOT NULL UNIQUE,
    user_id     uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- Whether the right code confirms a new factor.
    enrols      boolean NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);
CREATE INDEX mfa_challenges_by_user ON mfa_challenges (user_id);

-- Who has this role needs a second factor: a session without one can do nothing but enrol.
ALTER TABLE roles ADD COLUMN mfa_required boolean NOT NULL DEFAULT false;
-- When the second factor was given in this session.
ALTER TABLE sessions ADD COLUMN mfa_at timestamptz;

-- Lists of keys in use, newest first.
CREATE INDEX api_keys_by_age ON api_keys (created_at, id) WHERE revoked_at IS NULL;
