-- Work that somebody asked for and watches: imports, exports. The queue runs it; these rows are what people see of it,
-- and where a run that was killed goes on.

CREATE TABLE background_jobs (
    id             uuid PRIMARY KEY,
    -- A name is forever: it is the queue's too, and rows outlive deploys.
    kind           text NOT NULL CHECK (kind IN ('patients.import', 'patients.export')),
    status         text NOT NULL DEFAULT 'QUEUED' CHECK (status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    -- Who asked for it, and sees it.
    creator_kind   text NOT NULL,
    creator_id     uuid,
    -- What its result takes to see; when it is shared, who has it sees the job too.
    permission     text NOT NULL,
    shared         boolean NOT NULL,
    -- Ids and settings. Never data of people.
    input          jsonb NOT NULL,
    -- How far it is: written in the transaction of the work itself.
    progress       integer NOT NULL DEFAULT 0 CHECK (progress >= 0),
    total          integer CHECK (total >= 0),
    error_count    integer NOT NULL DEFAULT 0 CHECK (error_count >= 0),
    -- Of an import: whose patient was there already.
    skipped_count  integer NOT NULL DEFAULT 0 CHECK (skipped_count >= 0),
    -- Why it failed, in words for people.
    problem        text CHECK (length(problem) <= 1000),
    -- The file that came of it: a report of what was wrong, an export. Gone when it is not kept any more.
    result_id      uuid REFERENCES attachments (id) ON DELETE SET NULL,
    -- Goes up with every change: who hears of two knows which is the later.
    revision       integer NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    CHECK ((finished_at IS NULL) = (status IN ('QUEUED', 'RUNNING'))),
    CHECK (error_count + skipped_count <= progress)
);
CREATE INDEX background_jobs_open ON background_jobs (kind) WHERE finished_at IS NULL;
CREATE INDEX background_jobs_by_end ON background_jobs (finished_at) WHERE finished_at IS NOT NULL;

-- What is wrong with rows of an import: where and why, not what is in them.
CREATE TABLE import_problems (
    job_id    uuid NOT NULL REFERENCES background_jobs (id) ON DELETE CASCADE,
    -- The row as a spreadsheet counts it.
    row_no    integer NOT NULL,
    -- [{"column": "RUT", "message": "…"}]
    problems  jsonb NOT NULL,
    PRIMARY KEY (job_id, row_no)
);

-- How many patients may come out of spreadsheets in one local day of the centre.
ALTER TABLE centre_profile ADD COLUMN daily_import_quota integer NOT NULL DEFAULT 150000 CHECK (daily_import_quota >= 0);

-- Which rows of spreadsheets have become which patients: the same row again changes nothing, whatever was done to the
-- patient since.
CREATE TABLE imported_rows (
    -- Keyed hash of what the row says.
    row_hash    bytea PRIMARY KEY CHECK (length(row_hash) = 32),
    patient_id  uuid NOT NULL REFERENCES patients (id) ON DELETE CASCADE
);
CREATE INDEX imported_rows_by_patient ON imported_rows (patient_id);

-- Since when nothing is known of the patient any more.
ALTER TABLE patients ADD COLUMN anonymised_at timestamptz;

-- An import looks for every row's file number.
CREATE INDEX patients_by_file_number ON patients (file_number) WHERE file_number IS NOT NULL;
