-- All refresh tokens of one session carry one random word, known to nobody but who holds or held one of them. So a token
-- from any earlier refresh is recognised as such, and not only the last one. NULL: the session has not been refreshed
-- since before this column.
ALTER TABLE sessions ADD COLUMN family_hash bytea UNIQUE;

-- The list of a user's sessions, latest first.
CREATE INDEX sessions_by_user_and_time ON sessions (user_id, created_at DESC, id DESC);
DROP INDEX sessions_by_user;
