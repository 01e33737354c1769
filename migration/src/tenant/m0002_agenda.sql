-- The agenda: when resources work, who is booked, and the row that makes a resource busy.

CREATE TABLE schedules (
    id           uuid PRIMARY KEY,
    resource_id  uuid NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    branch_id    uuid NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    version      integer NOT NULL DEFAULT 1,
    UNIQUE (resource_id, branch_id, name)
);
CREATE INDEX schedules_by_branch ON schedules (branch_id);

CREATE TABLE schedule_windows (
    schedule_id  uuid NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    weekday      smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    starts       time NOT NULL,
    ends         time NOT NULL,
    valid_from   date,
    valid_to     date,
    CHECK (ends > starts OR ends = '00:00'),
    CHECK (valid_to IS NULL OR valid_from IS NULL OR valid_to >= valid_from)
);
CREATE INDEX schedule_windows_by_schedule ON schedule_windows (schedule_id);

-- resource_id NULL: the whole branch. The wall times are the truth, the instants are what they mean by today's rules.
CREATE TABLE schedule_exceptions (
    id           uuid PRIMARY KEY,
    branch_id    uuid NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    resource_id  uuid REFERENCES resources (id) ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('CLOSED', 'EXTRA_HOURS', 'BLOCK', 'HOLIDAY')),
    local_start  timestamp NOT NULL,
    local_end    timestamp NOT NULL,
    during       tstzrange NOT NULL CHECK (NOT isempty(during)),
    reason       text,
    CHECK (local_end > local_start)
);
CREATE INDEX schedule_exceptions_by_branch ON schedule_exceptions USING gist (branch_id extensions.gist_uuid_ops, during);

-- Patients as far as booking needs them.
CREATE TABLE patients (
    id                uuid PRIMARY KEY,
    file_number       text,
    given_names       text NOT NULL CHECK (length(given_names) BETWEEN 1 AND 200),
    paternal_surname  text,
    maternal_surname  text,
    document_kind     text,
    document_number   text,
    document_country  text,
    is_foreign        boolean NOT NULL DEFAULT false,
    email             text CHECK (email = lower(email)),
    phones            text[] NOT NULL DEFAULT '{}',
    sex               text NOT NULL DEFAULT 'UNKNOWN' CHECK (sex IN ('FEMALE', 'MALE', 'OTHER', 'UNKNOWN')),
    birth_date        date,
    status            text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'INACTIVE', 'DECEASED', 'MERGED')),
    version           integer NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    UNIQUE (document_kind, document_number, document_country),
    CHECK ((document_kind IS NULL) = (document_number IS NULL) AND (document_kind IS NULL) = (document_country IS NULL))
);
CREATE INDEX patients_by_email ON patients (email) WHERE email IS NOT NULL;

CREATE SEQUENCE appointment_codes;

CREATE TABLE appointments (
    id                   uuid PRIMARY KEY,
    code                 text NOT NULL UNIQUE,
    branch_id            uuid NOT NULL REFERENCES branches (id),
    patient_id           uuid REFERENCES patients (id),
    start_at             timestamptz NOT NULL,
    end_at               timestamptz NOT NULL,
    -- While the appointment lies ahead, this pair is the truth and start_at is what it means by today's rules.
    local_start          timestamp NOT NULL,
    time_zone            text NOT NULL,
    status               text NOT NULL CHECK (status IN ('HELD', 'PENDING_APPROVAL', 'BOOKED', 'CONFIRMED', 'ARRIVED', 'READY',
                             'IN_PROGRESS', 'COMPLETED', 'NO_SHOW', 'CANCELLED', 'EXPIRED', 'REJECTED')),
    payment_status       text NOT NULL DEFAULT 'UNPAID' CHECK (payment_status IN ('UNPAID', 'PARTIAL', 'PAID', 'PLAN', 'WAIVED', 'REFUNDED')),
    channel              text NOT NULL CHECK (channel IN ('STAFF', 'WEB_WIDGET', 'FACEBOOK', 'API', 'PHONE', 'IMPORT', 'WAITLIST')),
    overbooked           boolean NOT NULL DEFAULT false,
    overbook_reason      text,
    notes                text,
    internal_notes       text,
    cancel_reason        text,
    cancelled_by_kind    text,
    cancelled_by_id      uuid,
    hold_expires_at      timestamptz,
    send_confirmation    boolean NOT NULL DEFAULT true,
    -- Goes up with every change of time; mails and calendar files carry it.
    revision             integer NOT NULL DEFAULT 0,
    -- When its time was last changed: a reminder that was due before that is not sent any more.
    moved_at             timestamptz,
    version              integer NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    CHECK (end_at > start_at AND end_at - start_at <= interval '24 hours'),
    CHECK (overbooked = (overbook_reason IS NOT NULL)),
    CHECK ((status = 'HELD') <= (hold_expires_at IS NOT NULL)),
    CHECK (status IN ('HELD', 'EXPIRED') OR patient_id IS NOT NULL)
);
-- The longest appointment is a day, so a range of starts finds every appointment of a week, however long the history is.
CREATE INDEX appointments_by_branch_start ON appointments (branch_id, start_at, id);
CREATE INDEX appointments_by_start ON appointments (start_at, id);
CREATE INDEX appointments_by_patient ON appointments (patient_id, start_at, id) WHERE patient_id IS NOT NULL;
CREATE INDEX appointments_by_updated ON appointments (updated_at, id);
CREATE INDEX appointments_held ON appointments (hold_expires_at) WHERE status = 'HELD';

CREATE TABLE appointment_items (
    appointment_id    uuid NOT NULL REFERENCES appointments (id) ON DELETE CASCADE,
    position          smallint NOT NULL,
    treatment_id      uuid NOT NULL REFERENCES treatments (id),
    professional_id   uuid REFERENCES resources (id),
    room_id           uuid REFERENCES resources (id),
    start_at          timestamptz NOT NULL,
    end_at            timestamptz NOT NULL,
    price_minor       bigint NOT NULL CHECK (price_minor >= 0),
    currency          text NOT NULL,
    PRIMARY KEY (appointment_id, position),
    CHECK (end_at > start_at)
);

-- The row that makes one resource busy for one range, buffers included. The constraint is the proof that nothing is
-- ever booked twice: a resource of capacity n has n units, and a unit is busy once at a time.
CREATE TABLE occupancies (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    appointment_id  uuid NOT NULL REFERENCES appointments (id) ON DELETE CASCADE,
    resource_id     uuid NOT NULL REFERENCES resources (id),
    unit            smallint NOT NULL DEFAULT 0 CHECK (unit >= 0),
    during          tstzrange NOT NULL CHECK (NOT isempty(during) AND lower(during) IS NOT NULL AND upper(during) IS NOT NULL),
    active          boolean NOT NULL DEFAULT true,
    overbooked      boolean NOT NULL DEFAULT false,
    CONSTRAINT occupancies_never_twice EXCLUDE USING gist (
        resource_id extensions.gist_uuid_ops WITH =,
        unit extensions.gist_int2_ops WITH =,
        during WITH &&
    ) WHERE (active AND NOT overbooked)
);
-- The constraint's index leaves these out, and calendars show them.
CREATE INDEX occupancies_overbooked ON occupancies USING gist (resource_id extensions.gist_uuid_ops, during) WHERE active AND overbooked;
CREATE INDEX occupancies_by_appointment ON occupancies (appointment_id);

-- How much a tenant has created on one local day.
CREATE TABLE quota_usage (
    quota  text NOT NULL,
    day    date NOT NULL,
    used   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (quota, day)
);

-- One row per (actor, mutation, key): written in the business transaction, so that a retry finds the answer.
CREATE TABLE idempotency_receipts (
    actor       text NOT NULL,
    mutation    text NOT NULL,
    key         uuid NOT NULL,
    input_hash  bytea NOT NULL,
    outcome     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (actor, mutation, key)
);
CREATE INDEX idempotency_receipts_by_age ON idempotency_receipts (created_at);
