-- Files: photographs and documents of patients, and what is imported. Their bytes lie outside of the database, in the file
-- store, under the tenant's id and the row's.

CREATE TABLE attachments (
    id                uuid PRIMARY KEY,
    -- Whose record it is part of. NULL: the centre's own, for whoever brought it (an import).
    patient_id        uuid REFERENCES patients (id),
    -- The user or key that brought it; NULL: Horae itself.
    requested_by      uuid,
    -- PENDING: announced, nothing has come. RECEIVED: its bytes are in the store, nobody has vouched for them. READY: they are
    -- what was announced, and of the type that was said.
    status            text NOT NULL CHECK (status IN ('PENDING', 'RECEIVED', 'READY')),
    file_name         text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 200),
    mime_type         text NOT NULL CHECK (mime_type ~ '^[a-z]+/[a-z0-9.+-]+$'),
    size_bytes        bigint NOT NULL CHECK (size_bytes > 0),
    -- What the client said that the bytes would be, if it did …
    announced_sha256  bytea CHECK (length(announced_sha256) = 32),
    -- … and what they are.
    sha256            bytea CHECK (length(sha256) = 32),
    -- In pixels, as it is to be shown.
    width             integer CHECK (width > 0),
    height            integer CHECK (height > 0),
    -- NONE: it has no small picture. WAITING: one will be drawn.
    thumbnail         text NOT NULL DEFAULT 'NONE' CHECK (thumbnail IN ('NONE', 'WAITING', 'READY')),
    -- When a photograph was taken, if it says so with an offset.
    captured_at       timestamptz,
    -- Swept after this; NULL: kept.
    expires_at        timestamptz,
    created_at        timestamptz NOT NULL,
    uploaded_at       timestamptz,
    CHECK (status = 'READY' OR expires_at IS NOT NULL),
    CHECK (status = 'PENDING' OR sha256 IS NOT NULL),
    CHECK ((status = 'READY') = (uploaded_at IS NOT NULL))
);
CREATE INDEX attachments_by_patient ON attachments (patient_id, uploaded_at, id);
CREATE INDEX attachments_swept ON attachments (expires_at) WHERE expires_at IS NOT NULL;

-- How much there is, announced bytes included. The row is locked by who adds a file, before anything is counted: of uploads
-- that are announced at once each sees the others.
CREATE TABLE attachment_usage (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    files     bigint NOT NULL DEFAULT 0 CHECK (files >= 0),
    bytes     bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0)
);
INSERT INTO attachment_usage DEFAULT VALUES;

CREATE FUNCTION count_attachments() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE attachment_usage SET
        files = files + CASE TG_OP WHEN 'INSERT' THEN 1 WHEN 'DELETE' THEN -1 ELSE 0 END,
        bytes = bytes + CASE WHEN TG_OP = 'DELETE' THEN 0 ELSE NEW.size_bytes END
            - CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.size_bytes END;
    RETURN NULL;
END
$$;
CREATE TRIGGER counted AFTER INSERT OR DELETE OR UPDATE OF size_bytes ON attachments
    FOR EACH ROW EXECUTE FUNCTION count_attachments();
