-- Users and roles: the other built-in roles, the rule that a centre keeps an active administrator, and requests for a
-- new password.

ALTER TABLE roles DROP CONSTRAINT roles_builtin_check;
ALTER TABLE roles ADD CONSTRAINT roles_builtin_check CHECK (builtin IN ('ADMINISTRATOR', 'MANAGER', 'RECEPTIONIST', 'PROFESSIONAL',
    'CASHIER', 'SUPERVISOR', 'TECHNICIAN', 'OPERATOR', 'PATIENT'));
-- Two roles whose names differ in case only would be confused in lists.
CREATE UNIQUE INDEX roles_by_folded_name ON roles (lower(name));
-- A centre that exists gets the rows it lacks; a new one gets all of its rows when it is filled.
INSERT INTO roles (id, name, builtin)
SELECT gen_random_uuid(), r.name, r.builtin
FROM (VALUES ('Manager', 'MANAGER'), ('Cashier', 'CASHIER'), ('Supervisor', 'SUPERVISOR'), ('Technician', 'TECHNICIAN'),
    ('Operator', 'OPERATOR'), ('Patient', 'PATIENT')) AS r (name, builtin)
WHERE EXISTS (SELECT 1 FROM roles);

CREATE INDEX users_by_name ON users (name, id);
CREATE INDEX user_roles_by_role ON user_roles (role_id);

-- A centre keeps one active administrator of the whole centre. Whoever takes one away waits here for whoever else does,
-- and sees afterwards what the other has left: of two who take the last two away at once, one is refused.
CREATE FUNCTION keep_an_administrator() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_TABLE_NAME = 'users' THEN
        IF NOT EXISTS (
            SELECT 1 FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = OLD.id AND r.builtin = 'ADMINISTRATOR'
        ) THEN
            RETURN NULL;
        END IF;
    ELSIF NOT EXISTS (SELECT 1 FROM roles r WHERE r.id = OLD.role_id AND r.builtin = 'ADMINISTRATOR')
        OR EXISTS (SELECT 1 FROM users u WHERE u.id = OLD.user_id AND (u.status <> 'ACTIVE' OR u.branch_ids <> '{}'))
    THEN
        -- Another role, or somebody who did not count.
        RETURN NULL;
    END IF;
    PERFORM 1 FROM roles WHERE builtin = 'ADMINISTRATOR' FOR NO KEY UPDATE;
    IF NOT EXISTS (
        SELECT 1 FROM users u JOIN user_roles ur ON ur.user_id = u.id JOIN roles r ON r.id = ur.role_id
        WHERE r.builtin = 'ADMINISTRATOR' AND u.status = 'ACTIVE' AND u.branch_ids = '{}'
    ) THEN
        RAISE EXCEPTION 'the centre would be left without an active administrator'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'users_keep_an_administrator';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_keep_an_administrator AFTER UPDATE OF status, branch_ids ON users
    FOR EACH ROW WHEN (OLD.status = 'ACTIVE' AND OLD.branch_ids = '{}' AND (NEW.status <> 'ACTIVE' OR NEW.branch_ids <> '{}'))
    EXECUTE FUNCTION keep_an_administrator();
CREATE TRIGGER user_roles_keep_an_administrator AFTER DELETE OR UPDATE ON user_roles
    FOR EACH ROW EXECUTE FUNCTION keep_an_administrator();

-- Somebody, nobody knows yet who, asked for a new password. Written for unknown addresses as well, so that the answer
-- and its time tell nothing; a job looks the user up later. Removed after a day.
CREATE TABLE password_reset_requests (
    id            uuid PRIMARY KEY,
    -- As it was typed, in lower case.
    email         text NOT NULL CHECK (email = lower(email) AND length(email) <= 254),
    requested_at  timestamptz NOT NULL
);
-- Both bounds are counted with these: of one address, and of the whole centre.
CREATE INDEX password_reset_requests_by_email ON password_reset_requests (email, requested_at);
CREATE INDEX password_reset_requests_by_age ON password_reset_requests (requested_at);
