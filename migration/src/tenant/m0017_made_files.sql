-- Files know more of what they are for.

-- What jobs make (exports, reports of imports) counted like what people bring: a few large exports used up the centre's
-- storage, and many reports the places of who imports.

ALTER TABLE attachments
    -- Whether Horae made it, for who asked: it goes after its time, and takes nobody's room.
    ADD COLUMN made boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION count_attachments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(NEW.made, OLD.made) THEN
        RETURN NULL;
    END IF;
    UPDATE attachment_usage SET
        files = files + CASE TG_OP WHEN 'INSERT' THEN 1 WHEN 'DELETE' THEN -1 ELSE 0 END,
        bytes = bytes + CASE WHEN TG_OP = 'DELETE' THEN 0 ELSE NEW.size_bytes END
            - CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.size_bytes END;
    RETURN NULL;
END
$$;
-- Temporary tables last, see m0008. Replacing a function forgets its settings.
DO $do$ BEGIN
    EXECUTE format('ALTER FUNCTION count_attachments() SET search_path = %I, pg_temp', current_schema());
END $do$;

-- Those that are there, the trail knows.
UPDATE attachments SET made = true
WHERE patient_id IS NULL AND id IN (SELECT subject_id FROM audit_entries WHERE action = 'depositFile');
UPDATE attachment_usage SET (files, bytes) = (SELECT count(*), coalesce(sum(size_bytes), 0) FROM attachments WHERE NOT made);

-- A field that is not for everybody showed its files to everybody who read the record, in the list of its files.
ALTER TABLE record_attachments
    -- The fields that name it. Empty: none does, it is listed.
    ADD COLUMN field_keys text[] NOT NULL DEFAULT '{}';

-- Which of an entry's fields names a file that is there already is sealed: each that could.
ALTER TABLE record_attachments DISABLE TRIGGER record_attachments_are_final;
UPDATE record_attachments r SET field_keys = named.keys
FROM (
    SELECT e.id AS entry_id, array_agg(x.field_key) AS keys
    FROM record_entries e
        JOIN record_template_versions v ON v.template_id = e.template_id AND v.version = e.template_version
        JOIN record_values x ON x.entry_id = e.id
        CROSS JOIN LATERAL jsonb_array_elements(v.fields) AS f (field)
    WHERE f.field ->> 'key' = x.field_key AND f.field ->> 'type' IN ('FILE', 'PHOTO')
    GROUP BY e.id
) named
WHERE named.entry_id = r.entry_id AND NOT r.listed;
ALTER TABLE record_attachments ENABLE TRIGGER record_attachments_are_final;
