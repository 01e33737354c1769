-- The audit trail becomes a chain that nobody can cut unnoticed: every entry carries the hash of the one before it.
--
-- hash = SHA-256 (previous hash, then the entry as text in UTF-8). The text is a JSON array of the entry's values in
-- the order below, as jsonb writes it: keys of objects sorted by length and then by bytes, none twice, one blank after
-- commas and colons, numbers as they are stored. Instants are UTC with microseconds, because the text of a timestamptz
-- depends on the session. The array's first element is the number of this form: another form gets another number.

-- Mails know which request caused them.
ALTER TABLE email_messages ADD COLUMN request_id text;

ALTER TABLE audit_entries
    -- In the order of commits and without gaps: given out by the row that gives out the events' positions.
    ADD COLUMN position       bigint,
    -- Only of actors without an id (jobs, operators of the platform); others are looked up when they are shown.
    ADD COLUMN actor_name     text,
    ADD COLUMN ip             inet,
    ADD COLUMN previous_hash  bytea,
    ADD COLUMN hash           bytea;

-- The end of the chain. It is in the one row that every changing transaction locks last, so that there is no second
-- one to wait for; and it shows when the last entries are gone.
ALTER TABLE event_head
    ADD COLUMN audit_position  bigint NOT NULL DEFAULT 0,
    ADD COLUMN audit_hash      bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex');

CREATE FUNCTION audit_hash(p_previous bytea, e audit_entries) RETURNS bytea
LANGUAGE sql STABLE AS $$
    SELECT sha256(p_previous || convert_to(jsonb_build_array(
        1, e.position, e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        e.actor_kind, e.actor_id, e.actor_name, e.action, e.subject_type, e.subject_id, e.request_id, e.ip::text,
        e.before, e.after, e.reason)::text, 'UTF8'))
$$;

-- What was written before there was a chain.
DO $do$
DECLARE
    e audit_entries;
    v_position bigint := 0;
    v_hash bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR e IN SELECT * FROM audit_entries ORDER BY at, id LOOP
        v_position := v_position + 1;
        e.position := v_position;
        e.previous_hash := v_hash;
        v_hash := audit_hash(v_hash, e);
        UPDATE audit_entries SET position = v_position, previous_hash = e.previous_hash, hash = v_hash WHERE id = e.id;
    END LOOP;
    UPDATE event_head SET audit_position = v_position, audit_hash = v_hash;
END
$do$;

ALTER TABLE audit_entries
    ALTER COLUMN position SET NOT NULL,
    ALTER COLUMN previous_hash SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL;
CREATE UNIQUE INDEX audit_entries_by_position ON audit_entries (position);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor_id, position);
CREATE INDEX audit_entries_by_action ON audit_entries (action, position);
CREATE INDEX audit_entries_by_time ON audit_entries (at);

-- Whoever inserts, the chain's three columns are computed here, with the owner's rights: the tenant's role cannot
-- write the head, so it cannot forge them.
CREATE FUNCTION chain_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    SELECT audit_position + 1, audit_hash INTO STRICT NEW.position, NEW.previous_hash FROM event_head FOR UPDATE;
    NEW.hash := audit_hash(NEW.previous_hash, NEW);
    UPDATE event_head SET audit_position = NEW.position, audit_hash = NEW.hash;
    RETURN NEW;
END
$$;
-- Temporary tables last: one called event_head would otherwise be taken for the head.
DO $do$ BEGIN
    EXECUTE format('ALTER FUNCTION chain_audit_entry() SET search_path = %I, pg_temp', current_schema());
END $do$;
CREATE TRIGGER audit_entries_are_chained BEFORE INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION chain_audit_entry();

-- The second fence behind the missing grants: not even the owner changes the trail by mistake.
CREATE FUNCTION refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit trail are never changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entries_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
