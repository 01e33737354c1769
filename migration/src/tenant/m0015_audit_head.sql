-- Many entries at once (an import) wrote the head once for each of them, and every version stayed in the one row's table
-- until the next vacuum, to be read past by every booking. The chain now goes on from the last entry that the head does
-- not know yet, and the head follows once, when the statement is through.

CREATE OR REPLACE FUNCTION chain_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_position bigint;
    v_hash bytea;
BEGIN
    SELECT audit_position, audit_hash INTO STRICT v_position, v_hash FROM event_head FOR UPDATE;
    -- Ours: whoever else writes some waits for the head.
    SELECT e.position, e.hash INTO NEW.position, NEW.previous_hash
    FROM audit_entries e WHERE e.position > v_position ORDER BY e.position DESC LIMIT 1;
    NEW.position := coalesce(NEW.position, v_position) + 1;
    NEW.previous_hash := coalesce(NEW.previous_hash, v_hash);
    NEW.hash := audit_hash(NEW.previous_hash, NEW);
    RETURN NEW;
END
$$;

CREATE FUNCTION follow_audit_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE event_head h SET audit_position = e.position, audit_hash = e.hash
    FROM (SELECT position, hash FROM audit_entries ORDER BY position DESC LIMIT 1) e
    WHERE e.position > h.audit_position;
    RETURN NULL;
END
$$;

-- Temporary tables last, see m0008. Replacing a function forgets its settings.
DO $do$ BEGIN
    EXECUTE format('ALTER FUNCTION chain_audit_entry() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION follow_audit_entries() SET search_path = %I, pg_temp', current_schema());
END $do$;
CREATE TRIGGER audit_entries_are_followed AFTER INSERT ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION follow_audit_entries();
