-- Patients as the centre knows them: profile, search, fields of its own, and what becomes of two that are one person.

CREATE TABLE patient_categories (
    id     uuid PRIMARY KEY,
    name   text NOT NULL CONSTRAINT patient_categories_name_once UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    color  text CHECK (color ~ '^#[0-9A-F]{6}$')
);

-- Fields that the centre has defined. One that is taken away stays here, so that its key cannot come back as something
-- else and find values that do not fit.
CREATE TABLE patient_fields (
    key         text PRIMARY KEY,
    -- As domain::fields::FieldDefinition writes it.
    definition  jsonb NOT NULL,
    active      boolean NOT NULL DEFAULT true
);

-- A text without marks and in small letters, every apostrophe the same. Decomposing takes the marks off any letter that
-- has them. All of it is immutable by itself, so that columns and indexes may stand on it.
CREATE FUNCTION folded(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(
    lower(regexp_replace(normalize(coalesce(p_text, ''), NFKD), U&'[\0300-\036F]', '', 'g')),
    U&'\00F8\00D8\0142\0141\0111\0110\00DF\2018\2019`', 'oolldds'''''''
);

-- What stands between words: blanks and the punctuation of ASCII.
CREATE FUNCTION words_of(p_text text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_split_to_array(p_text, '[[:space:]!-/:-@\[-`{-~]+');

-- A number or code as one word.
CREATE FUNCTION bare_word(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(folded(p_text), '[[:space:]!-/:-@\[-`{-~]+', '', 'g');

-- The words by whose beginnings a patient is found: the parts of the names (with an apostrophe as one and as two), document
-- and file number without dots and hyphens, the mail address and the parts before its @, and telephone numbers without
-- the first digits one after the other (so without a country's code, however long, and without a mobile's 9), and by the
-- last four.
CREATE FUNCTION patient_words(p_names text, p_document text, p_file text, p_email text, p_phones text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_to_tsvector(array_remove(array_remove(
    words_of(replace(folded(p_names), '''', '')) || words_of(folded(p_names))
    || bare_word(p_document) || bare_word(p_file) || words_of(folded(p_file))
    || lower(p_email) || words_of(folded(split_part(p_email, '@', 1)))
    || ARRAY(SELECT substr(x.digits, n.at) FROM (SELECT regexp_replace(phone, '\D', '', 'g') FROM unnest(p_phones) AS u (phone)) x (digits)
             CROSS JOIN generate_series(1, 4) AS n (at))
    || ARRAY(SELECT right(phone, 4) FROM unnest(p_phones) AS u (phone)),
    ''), NULL));

-- What somebody typed, as the words that all have to be found. Digits that dots, hyphens, brackets and blanks set apart
-- are one number (with the K of a RUT); a mail address is one word. A text without any word finds nobody.
CREATE FUNCTION patient_query(p_text text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || ''':*', ' & '), '')::tsquery
    FROM (
        SELECT DISTINCT word FROM unnest(
            regexp_split_to_array(substring(lower(p_text) FROM '\S+@\S+'), '\s+')
            || words_of(regexp_replace(
                replace(folded(regexp_replace(p_text, '\S+@\S+', ' ')), '''', ''),
                '(?<=[0-9])[-[:space:]./()]+(?=[0-9]|k(?![[:alnum:]]))', '', 'g'))
        ) AS w (word) WHERE word <> ''
        LIMIT 10
    ) AS words
);

-- Values of sensitive fields, sealed one by one.
CREATE TABLE patient_values (
    patient_id    uuid NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    field_key     text NOT NULL,
    value_sealed  bytea NOT NULL,
    -- Keyed; the same for the same value, to find exactly that.
    value_hash    bytea NOT NULL,
    PRIMARY KEY (patient_id, field_key)
);
CREATE INDEX patient_values_by_hash ON patient_values (field_key, value_hash);

ALTER TABLE patients
    ADD COLUMN usual_professional_id uuid REFERENCES resources (id),
    ADD COLUMN category_id uuid REFERENCES patient_categories (id),
    ADD COLUMN referral_source text,
    ADD COLUMN rating smallint CHECK (rating BETWEEN 1 AND 5),
    ADD COLUMN comments text[] NOT NULL DEFAULT '{}',
    -- Values of the centre's own fields that are not sensitive, by their keys, in the normal form of domain::fields.
    ADD COLUMN custom_values jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN marketing_granted boolean NOT NULL DEFAULT false,
    -- When and how the patient last agreed or disagreed.
    ADD COLUMN marketing_at timestamptz,
    ADD COLUMN marketing_source text,
    -- The patient that this one is. Always one that is not merged itself: whoever merges it moves these too.
    ADD COLUMN merged_into uuid REFERENCES patients (id),
    ADD CONSTRAINT patients_merged CHECK ((status = 'MERGED') = (merged_into IS NOT NULL) AND merged_into <> id),
    ADD COLUMN sort_name text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (folded(coalesce(paternal_surname, '') || ' ' || coalesce(maternal_surname, '') || ' ' || given_names)) STORED,
    ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
        patient_words(given_names || ' ' || coalesce(paternal_surname, '') || ' ' || coalesce(maternal_surname, ''),
            document_number, file_number, email, phones)) STORED;

CREATE INDEX patients_by_name ON patients (sort_name, id);
-- Without the list of what is still to be sorted in: a search would read it every time.
CREATE INDEX patients_by_word ON patients USING gin (search) WITH (fastupdate = off);
CREATE INDEX patients_by_phone ON patients USING gin (phones) WITH (fastupdate = off);
CREATE INDEX patients_by_document ON patients (document_number) WHERE document_number IS NOT NULL;
CREATE INDEX patients_by_birthday ON patients (((EXTRACT(month FROM birth_date) * 100 + EXTRACT(day FROM birth_date))::integer), sort_name, id)
    WHERE birth_date IS NOT NULL;
CREATE INDEX patients_by_category ON patients (category_id, sort_name, id) WHERE category_id IS NOT NULL;
CREATE INDEX patients_by_value ON patients USING gin (custom_values jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX patients_by_updated ON patients (updated_at, id);
CREATE INDEX patients_by_professional ON patients (usual_professional_id) WHERE usual_professional_id IS NOT NULL;
CREATE INDEX patients_by_kept ON patients (merged_into) WHERE merged_into IS NOT NULL;

-- Who answers for a patient.
CREATE TABLE patient_guardians (
    patient_id   uuid NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
    guardian_id  uuid NOT NULL REFERENCES patients (id),
    position     smallint NOT NULL,
    PRIMARY KEY (patient_id, guardian_id),
    CHECK (patient_id <> guardian_id)
);
CREATE INDEX patient_guardians_by_guardian ON patient_guardians (guardian_id);
