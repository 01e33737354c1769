-- Extensions live in a schema without tables, so that no search path ever needs it to find one.
CREATE SCHEMA extensions;
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;

-- Which tenant lives where, and in which state. No tenant role may read it.
CREATE SCHEMA catalogue;

CREATE TABLE catalogue.cells (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9_]{1,40}$'),
    -- Which configured server (URL and credentials) the cell is on; credentials are never stored here.
    server      text NOT NULL,
    host        text NOT NULL,
    port        integer NOT NULL,
    database    text NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (server, database)
);

CREATE TABLE catalogue.tenants (
    id                  uuid PRIMARY KEY,
    -- Short number that global ids carry, so that an id of another tenant is recognised without a look-up.
    key                 integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    slug                text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
    legal_name          text NOT NULL,
    country             text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    status              text NOT NULL CHECK (status IN ('PROVISIONING', 'ACTIVE', 'MAINTENANCE', 'DISABLED', 'DELETED')),
    maintenance_reason  text,
    tenancy             text NOT NULL CHECK (tenancy IN ('SHARED', 'DEDICATED')),
    cell                text NOT NULL REFERENCES catalogue.cells (name),
    -- Name of the schema and of the role that may use it: the same word, so that one cannot be paired with another's.
    schema_name         text NOT NULL UNIQUE CHECK (schema_name ~ '^t_[0-9a-f]{32}$'),
    schema_version      integer NOT NULL DEFAULT 0,
    -- Goes up when the tenant is moved or restored; positions in its event log from before are void.
    epoch               integer NOT NULL DEFAULT 1,
    migrated_at         timestamptz,
    migration_error     text,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);
CREATE INDEX tenants_by_cell ON catalogue.tenants (cell);

-- One row: the release of the time-zone rules that future local times were last computed with.
CREATE TABLE catalogue.time_rules (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version     text NOT NULL,
    applied_at  timestamptz NOT NULL
);
