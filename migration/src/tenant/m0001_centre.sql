-- The centre: who it is, its places, its people and things, what it offers.
-- Every closed set of words is TEXT + CHECK: a native enum is a type of its own in every schema, and a plan cached for
-- one tenant would fail on the next.

CREATE TABLE centre_profile (
    only_row           boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    trade_name         text NOT NULL CHECK (length(trade_name) BETWEEN 1 AND 200),
    legal_name         text NOT NULL CHECK (length(legal_name) BETWEEN 1 AND 200),
    country            text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    locale             text NOT NULL,
    default_time_zone  text NOT NULL,
    vertical           text NOT NULL CHECK (vertical IN ('CLINIC', 'DENTAL', 'BEAUTY', 'SPORTS', 'FIELD_SERVICE', 'OTHER')),
    operating_mode     text NOT NULL CHECK (operating_mode IN ('BY_PROFESSIONAL', 'BY_ROOM')),
    logo_url           text,
    booking_policies   text,
    -- How many appointments may be created in one local day of the tenant, by all its users together.
    daily_appointment_quota integer NOT NULL DEFAULT 20000 CHECK (daily_appointment_quota > 0),
    version            integer NOT NULL DEFAULT 1,
    updated_at         timestamptz NOT NULL
);

CREATE TABLE branches (
    id                        uuid PRIMARY KEY,
    name                      text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- IANA name; decides every wall-clock question about this place.
    time_zone                 text NOT NULL,
    address                   jsonb,
    phone                     text,
    email                     text,
    active                    boolean NOT NULL DEFAULT true,
    reminder_local_time       time NOT NULL DEFAULT '08:00',
    birthday_local_time       time NOT NULL DEFAULT '08:00',
    cash_auto_close_local_time time,
    cash_auto_open_local_time time,
    confirmation_delay_s      integer NOT NULL DEFAULT 300 CHECK (confirmation_delay_s BETWEEN 0 AND 86400),
    copy_confirmations_to     text[] NOT NULL DEFAULT '{}',
    backup_window_start       time NOT NULL DEFAULT '03:00',
    slot_grid_minutes         integer NOT NULL DEFAULT 15 CHECK (slot_grid_minutes BETWEEN 5 AND 240),
    min_booking_notice_s      integer NOT NULL DEFAULT 3600 CHECK (min_booking_notice_s >= 0),
    max_booking_advance_s     integer NOT NULL DEFAULT 7776000 CHECK (max_booking_advance_s > 0),
    min_cancel_notice_s       integer NOT NULL DEFAULT 86400 CHECK (min_cancel_notice_s >= 0),
    hold_ttl_s                integer NOT NULL DEFAULT 300 CHECK (hold_ttl_s BETWEEN 30 AND 900),
    online_booking_enabled    boolean NOT NULL DEFAULT true,
    version                   integer NOT NULL DEFAULT 1,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL
);

-- When a branch is open (kind OPENING) or must not be mailed (kind QUIET). 00:00 as an end is the end of the day.
CREATE TABLE branch_windows (
    branch_id   uuid NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('OPENING', 'QUIET')),
    -- ISO: 1 = Monday … 7 = Sunday.
    weekday     smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    starts      time NOT NULL,
    ends        time NOT NULL,
    valid_from  date,
    valid_to    date,
    CHECK (ends > starts OR ends = '00:00'),
    CHECK (valid_to IS NULL OR valid_from IS NULL OR valid_to >= valid_from)
);
CREATE INDEX branch_windows_by_branch ON branch_windows (branch_id);

-- Whatever can be booked: people, rooms, equipment, vehicles. capacity = how many appointments it takes at once.
CREATE TABLE resources (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('PROFESSIONAL', 'ROOM', 'EQUIPMENT', 'VEHICLE')),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    color       text NOT NULL CHECK (color ~ '^#[0-9A-F]{6}$'),
    capacity    integer NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 200),
    active      boolean NOT NULL DEFAULT true,
    -- Where it stands. A professional works in the branches of professional_branches instead.
    branch_id   uuid REFERENCES branches (id),
    version     integer NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK ((kind = 'PROFESSIONAL') = (branch_id IS NULL))
);
CREATE INDEX resources_by_kind ON resources (kind, name, id);
CREATE INDEX resources_by_branch ON resources (branch_id, kind) WHERE branch_id IS NOT NULL;

CREATE TABLE treatment_categories (
    id        uuid PRIMARY KEY,
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    position  integer NOT NULL DEFAULT 0
);

CREATE TABLE treatments (
    id                     uuid PRIMARY KEY,
    name                   text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    category_id            uuid REFERENCES treatment_categories (id),
    duration_minutes       integer NOT NULL CHECK (duration_minutes BETWEEN 5 AND 1440),
    buffer_before_minutes  integer NOT NULL DEFAULT 0 CHECK (buffer_before_minutes BETWEEN 0 AND 480),
    buffer_after_minutes   integer NOT NULL DEFAULT 0 CHECK (buffer_after_minutes BETWEEN 0 AND 480),
    -- Minor units of the currency: exact, and the currency's own number of decimals.
    price_minor            bigint NOT NULL CHECK (price_minor >= 0),
    currency               text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- Percent, e.g. 19.00.
    tax_rate               numeric(6, 3) NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 100),
    online_bookable        boolean NOT NULL DEFAULT true,
    requires_approval      boolean NOT NULL DEFAULT false,
    capacity               integer NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 500),
    deposit_percent        numeric(6, 3) CHECK (deposit_percent BETWEEN 0 AND 100),
    deposit_fixed_minor    bigint CHECK (deposit_fixed_minor >= 0),
    deposit_refundable_until_s integer CHECK (deposit_refundable_until_s >= 0),
    active                 boolean NOT NULL DEFAULT true,
    version                integer NOT NULL DEFAULT 1,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL
);
CREATE INDEX treatments_by_name ON treatments (name, id);

-- What a treatment needs besides the patient: so many of a kind, of these or of any.
CREATE TABLE treatment_requirements (
    treatment_id  uuid NOT NULL REFERENCES treatments (id) ON DELETE CASCADE,
    position      smallint NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('PROFESSIONAL', 'ROOM', 'EQUIPMENT', 'VEHICLE')),
    quantity      integer NOT NULL DEFAULT 1 CHECK (quantity BETWEEN 1 AND 20),
    -- Empty: any active one of the branch.
    any_of        uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (treatment_id, position)
);

-- Users of the centre. Mails are kept in lower case.
CREATE TABLE users (
    id             uuid PRIMARY KEY,
    email          text NOT NULL UNIQUE CHECK (email = lower(email)),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    status         text NOT NULL CHECK (status IN ('INVITED', 'ACTIVE', 'LOCKED', 'DISABLED')),
    -- argon2id, PHC string.
    password_hash  text,
    time_zone      text,
    -- Empty: every branch.
    branch_ids     uuid[] NOT NULL DEFAULT '{}',
    last_login_at  timestamptz,
    version        integer NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

-- Built-in roles are rows too; their permissions are the code's.
CREATE TABLE roles (
    id           uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    builtin      text UNIQUE CHECK (builtin IN ('ADMINISTRATOR', 'RECEPTIONIST', 'PROFESSIONAL')),
    permissions  text[] NOT NULL DEFAULT '{}'
);

CREATE TABLE user_roles (
    user_id  uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id  uuid NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
);

CREATE TABLE professionals (
    id              uuid PRIMARY KEY REFERENCES resources (id) ON DELETE CASCADE,
    user_id         uuid UNIQUE REFERENCES users (id),
    specialties     text[] NOT NULL DEFAULT '{}',
    bio             text,
    photo_url       text,
    accepts_online  boolean NOT NULL DEFAULT true
);

CREATE TABLE professional_branches (
    professional_id  uuid NOT NULL REFERENCES professionals (id) ON DELETE CASCADE,
    branch_id        uuid NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    PRIMARY KEY (professional_id, branch_id)
);
CREATE INDEX professional_branches_by_branch ON professional_branches (branch_id);

-- Empty for a professional: all treatments.
CREATE TABLE professional_treatments (
    professional_id  uuid NOT NULL REFERENCES professionals (id) ON DELETE CASCADE,
    treatment_id     uuid NOT NULL REFERENCES treatments (id) ON DELETE CASCADE,
    PRIMARY KEY (professional_id, treatment_id)
);

-- One login of one device. The refresh token rotates; only its hash is kept, and the previous one to notice reuse.
CREATE TABLE sessions (
    id                     uuid PRIMARY KEY,
    user_id                uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_hash           bytea NOT NULL UNIQUE,
    previous_refresh_hash  bytea UNIQUE,
    device                 text,
    ip                     text,
    created_at             timestamptz NOT NULL,
    refreshed_at           timestamptz NOT NULL,
    expires_at             timestamptz NOT NULL,
    revoked_at             timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_keys (
    id               uuid PRIMARY KEY,
    name             text NOT NULL,
    -- The first characters, shown in lists.
    prefix           text NOT NULL,
    secret_hash      bytea NOT NULL UNIQUE,
    publishable      boolean NOT NULL,
    permissions      text[] NOT NULL DEFAULT '{}',
    -- Empty: any origin.
    allowed_origins  text[] NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL,
    last_used_at     timestamptz,
    expires_at       timestamptz,
    revoked_at       timestamptz
);

-- Single-use, time-limited links for one thing; stored hashed.
CREATE TABLE capability_tokens (
    id           uuid PRIMARY KEY,
    token_hash   bytea NOT NULL UNIQUE,
    purpose      text NOT NULL,
    resource_id  uuid NOT NULL,
    max_uses     integer NOT NULL DEFAULT 1 CHECK (max_uses > 0),
    uses         integer NOT NULL DEFAULT 0 CHECK (uses >= 0 AND uses <= max_uses),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    created_at   timestamptz NOT NULL
);
CREATE INDEX capability_tokens_by_resource ON capability_tokens (resource_id);
