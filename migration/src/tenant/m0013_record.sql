-- The centre's keys, and the clinical record that they encrypt.

-- The keys that values in columns called …_sealed are encrypted with. Wrapped by a master key that is not in the
-- database: what lies here opens nothing. The centre's role adds keys and reads them; it cannot change or remove one,
-- because what is sealed would be lost with it.
CREATE TABLE tenant_keys (
    -- DATA seals: the newest version does, all open. INDEX makes keyed hashes and signatures; there is one, for ever.
    purpose     text NOT NULL CHECK (purpose IN ('DATA', 'INDEX')),
    version     integer NOT NULL CHECK (version >= 1),
    -- The name of the master key in HORAE_MASTER_KEYS.
    master_key  text NOT NULL CHECK (length(master_key) BETWEEN 1 AND 64),
    wrapped     bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    -- Since when no value needs it any more. It stays: a copy of the data from before may come back.
    retired_at  timestamptz,
    PRIMARY KEY (purpose, version),
    CHECK (purpose = 'DATA' OR (version = 1 AND retired_at IS NULL))
);

-- The version in the head of a sealed value.
CREATE FUNCTION sealed_version(p_sealed bytea) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || encode(substring(p_sealed FROM 2 FOR 4), 'hex'))::bit(32)::integer
$$;

-- Whether the centre keeps clinical records at all.
ALTER TABLE centre_profile ADD COLUMN clinical_record boolean NOT NULL DEFAULT true;

-- Forms of records, made by the centre. version goes up with every change; a published version never changes.
CREATE TABLE record_templates (
    id          uuid PRIMARY KEY,
    version     integer NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE record_template_versions (
    template_id   uuid NOT NULL REFERENCES record_templates (id),
    version       integer NOT NULL CHECK (version >= 1),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    specialty     text CHECK (length(specialty) BETWEEN 1 AND 200),
    -- Definitions of the fields, in their order.
    fields        jsonb NOT NULL CHECK (jsonb_typeof(fields) = 'array'),
    -- NULL: a draft, of which each template has at most one.
    published_at  timestamptz,
    PRIMARY KEY (template_id, version)
);
CREATE UNIQUE INDEX record_template_versions_one_draft ON record_template_versions (template_id) WHERE published_at IS NULL;

CREATE FUNCTION keep_published_templates() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published version of a template never changes' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER record_template_versions_are_final BEFORE UPDATE OR DELETE ON record_template_versions
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION keep_published_templates();
CREATE TRIGGER record_template_versions_stay BEFORE TRUNCATE ON record_template_versions
    FOR EACH STATEMENT EXECUTE FUNCTION keep_published_templates();

-- What was written about a patient. Signed entries never change; a newer entry amends them.
CREATE TABLE record_entries (
    id                       uuid PRIMARY KEY,
    -- As it was when it was written: an entry of a patient who was merged stays where it is, and the record of the patient
    -- that is kept shows it.
    patient_id               uuid NOT NULL REFERENCES patients (id),
    template_id              uuid NOT NULL,
    template_version         integer NOT NULL,
    appointment_id           uuid REFERENCES appointments (id),
    author_id                uuid NOT NULL REFERENCES users (id),
    status                   text NOT NULL CHECK (status IN ('DRAFT', 'SIGNED', 'AMENDED', 'VOIDED')),
    -- When it was begun.
    at                       timestamptz NOT NULL,
    amends_id                uuid REFERENCES record_entries (id),
    amendment_reason_sealed  bytea,
    signed_at                timestamptz,
    signed_by                uuid REFERENCES users (id),
    -- Keyed hash of everything that was signed.
    signature                bytea,
    voided_at                timestamptz,
    voided_by                uuid REFERENCES users (id),
    void_reason_sealed       bytea,
    version                  integer NOT NULL DEFAULT 1,
    updated_at               timestamptz NOT NULL,
    FOREIGN KEY (template_id, template_version) REFERENCES record_template_versions (template_id, version),
    CHECK ((status IN ('SIGNED', 'AMENDED')) = (signed_at IS NOT NULL)),
    CHECK ((signed_at IS NULL) = (signed_by IS NULL) AND (signed_at IS NULL) = (signature IS NULL)),
    CHECK ((status = 'VOIDED') = (voided_at IS NOT NULL)),
    CHECK ((voided_at IS NULL) = (voided_by IS NULL) AND (voided_at IS NULL) = (void_reason_sealed IS NULL)),
    CHECK ((amends_id IS NULL) = (amendment_reason_sealed IS NULL)),
    CHECK (amends_id <> id)
);
CREATE INDEX record_entries_by_patient ON record_entries (patient_id, at, id);
CREATE INDEX record_entries_by_template ON record_entries (template_id, template_version);
CREATE INDEX record_entries_by_appointment ON record_entries (appointment_id) WHERE appointment_id IS NOT NULL;
-- Amendments are a chain: an entry has one successor.
CREATE UNIQUE INDEX record_entries_one_amendment ON record_entries (amends_id) WHERE amends_id IS NOT NULL AND status <> 'VOIDED';

-- The values of an entry, each sealed for itself.
CREATE TABLE record_values (
    entry_id      uuid NOT NULL REFERENCES record_entries (id),
    field_key     text NOT NULL CHECK (length(field_key) BETWEEN 1 AND 100),
    value_sealed  bytea NOT NULL,
    PRIMARY KEY (entry_id, field_key)
);

-- The files of an entry: listed with it, or named by a value of it.
CREATE TABLE record_attachments (
    entry_id       uuid NOT NULL REFERENCES record_entries (id),
    attachment_id  uuid NOT NULL REFERENCES attachments (id),
    listed         boolean NOT NULL,
    position       bigint NOT NULL,
    PRIMARY KEY (entry_id, attachment_id)
);
CREATE INDEX record_attachments_by_file ON record_attachments (attachment_id);

-- Whether erase_record is at work: it alone has the owner's rights and says so.
CREATE FUNCTION erases_records(p_table oid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT current_setting('horae.erases_records', true) = 'on'
        AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = p_table)
$$;

-- An entry begins as a draft; a draft keeps whose and of whom it is; what is signed or voided is final. Two things happen
-- to a signed entry: it is marked as amended when the entry that amends it is signed, and the same texts are sealed with a
-- newer key, which only the owner of the table does (functions of the schema sealing).
CREATE FUNCTION keep_record_entries() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_expected record_entries;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 'DRAFT' THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF erases_records(TG_RELID) THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        v_expected := NEW;
        IF OLD.status = 'DRAFT' THEN
            v_expected.id := OLD.id;
            v_expected.patient_id := OLD.patient_id;
            v_expected.author_id := OLD.author_id;
            v_expected.at := OLD.at;
            v_expected.amends_id := OLD.amends_id;
            v_expected.template_id := OLD.template_id;
            v_expected.template_version := OLD.template_version;
            IF NEW.status <> 'AMENDED' AND NEW IS NOT DISTINCT FROM v_expected THEN
                RETURN NEW;
            END IF;
        ELSE
            v_expected := OLD;
            v_expected.version := OLD.version + 1;
            v_expected.updated_at := NEW.updated_at;
            v_expected.status := 'AMENDED';
            IF OLD.status = 'SIGNED' AND NEW IS NOT DISTINCT FROM v_expected
                AND EXISTS (SELECT 1 FROM record_entries a WHERE a.amends_id = OLD.id AND a.status = 'SIGNED')
            THEN
                RETURN NEW;
            END IF;
            v_expected := OLD;
            v_expected.amendment_reason_sealed := NEW.amendment_reason_sealed;
            v_expected.void_reason_sealed := NEW.void_reason_sealed;
            IF NEW IS NOT DISTINCT FROM v_expected AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was signed or voided in a record never changes' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER record_entries_are_final BEFORE INSERT OR UPDATE OR DELETE ON record_entries
    FOR EACH ROW EXECUTE FUNCTION keep_record_entries();
CREATE TRIGGER record_entries_stay BEFORE TRUNCATE ON record_entries
    FOR EACH STATEMENT EXECUTE FUNCTION keep_record_entries();

-- Values change while their entry is a draft. The entry is locked, so that nothing slips in while it is being signed.
CREATE FUNCTION keep_record_values() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    v_entry uuid;
    v_expected record_values;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        v_expected := OLD;
        v_expected.value_sealed := NEW.value_sealed;
        IF NEW IS DISTINCT FROM v_expected THEN
            RAISE EXCEPTION 'a value of a record stays where it was put' USING ERRCODE = 'insufficient_privilege';
        END IF;
        -- The same value under another key.
        IF current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
            RETURN NEW;
        END IF;
    END IF;
    IF TG_OP = 'DELETE' AND erases_records(TG_RELID) THEN
        RETURN OLD;
    END IF;
    IF TG_OP <> 'TRUNCATE' THEN
        v_entry := CASE TG_OP WHEN 'DELETE' THEN OLD.entry_id ELSE NEW.entry_id END;
        PERFORM 1 FROM record_entries WHERE id = v_entry AND status = 'DRAFT' FOR SHARE;
        IF FOUND AND TG_OP = 'DELETE' THEN
            RETURN OLD;
        ELSIF FOUND THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was signed or voided in a record never changes' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER record_values_are_final BEFORE INSERT OR UPDATE OR DELETE ON record_values
    FOR EACH ROW EXECUTE FUNCTION keep_record_values();
CREATE TRIGGER record_values_stay BEFORE TRUNCATE ON record_values
    FOR EACH STATEMENT EXECUTE FUNCTION keep_record_values();

-- The same for files: they come and go while their entry is a draft, and none is exchanged for another.
CREATE FUNCTION keep_record_attachments() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' AND erases_records(TG_RELID) THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM 1 FROM record_entries WHERE id = OLD.entry_id AND status = 'DRAFT' FOR SHARE;
        IF FOUND THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM 1 FROM record_entries WHERE id = NEW.entry_id AND status = 'DRAFT' FOR SHARE;
        IF FOUND THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was signed or voided in a record never changes' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER record_attachments_are_final BEFORE INSERT OR UPDATE OR DELETE ON record_attachments
    FOR EACH ROW EXECUTE FUNCTION keep_record_attachments();
CREATE TRIGGER record_attachments_stay BEFORE TRUNCATE ON record_attachments
    FOR EACH STATEMENT EXECUTE FUNCTION keep_record_attachments();

-- For how many years a record is kept after its last entry, at least. Chile: Ley 20.584 art. 13 and Decreto 41/2012.
-- Spain: Ley 41/2002 art. 17. Mexico: NOM-004-SSA3-2012. Colombia: Resolución 839/2017. Argentina: Ley 26.529 art. 18.
-- Peru: NTS 139-MINSA/2018. Elsewhere the longest that is usual among these but Peru's.
CREATE FUNCTION record_retention_years(p_country text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_country WHEN 'ES' THEN 5 WHEN 'MX' THEN 5 WHEN 'AR' THEN 10 WHEN 'PE' THEN 20 ELSE 15 END
$$;

-- Until when the record of these patients, who are one person, is kept, by the centre's zone. NULL: there is none.
CREATE FUNCTION record_kept_until(p_patients uuid[]) RETURNS date
LANGUAGE sql STABLE AS $$
    SELECT (max(greatest(e.at, e.signed_at)) AT TIME ZONE max(c.default_time_zone)
        + make_interval(years => record_retention_years(max(c.country))))::date
    FROM record_entries e, centre_profile c WHERE e.patient_id = ANY (p_patients)
$$;

-- The only way entries ever leave: all of one person, once nobody has to keep them any more. Returns how many.
CREATE FUNCTION erase_record(p_patients uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_until date := record_kept_until(p_patients);
    v_done bigint;
BEGIN
    IF v_until >= (SELECT (now() AT TIME ZONE default_time_zone)::date FROM centre_profile) THEN
        RAISE EXCEPTION 'this record is kept until %', v_until
            USING ERRCODE = 'check_violation', CONSTRAINT = 'record_is_kept';
    END IF;
    PERFORM set_config('horae.erases_records', 'on', true);
    DELETE FROM record_attachments r USING record_entries e WHERE e.id = r.entry_id AND e.patient_id = ANY (p_patients);
    DELETE FROM record_values v USING record_entries e WHERE e.id = v.entry_id AND e.patient_id = ANY (p_patients);
    DELETE FROM record_entries WHERE patient_id = ANY (p_patients);
    GET DIAGNOSTICS v_done = ROW_COUNT;
    PERFORM set_config('horae.erases_records', 'off', true);
    RETURN v_done;
END
$$;
REVOKE ALL ON FUNCTION erase_record FROM PUBLIC;
DO $do$ BEGIN
    EXECUTE format('ALTER FUNCTION erase_record(uuid[]) SET search_path = %I, pg_temp', current_schema());
END $do$;
