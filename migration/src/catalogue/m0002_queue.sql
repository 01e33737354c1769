-- Timed and background work of all tenants of this cell. A tenant's role can put work in (for itself only, by the
-- functions below) but can read none of it.
CREATE SCHEMA queue;

CREATE TABLE queue.jobs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id     uuid NOT NULL,
    -- A task's name is forever: rows outlive deploys.
    kind          text NOT NULL CHECK (length(kind) <= 60),
    -- 0 = transactional, 1 = bulk: nobody's confirmation waits behind a campaign.
    lane          smallint NOT NULL DEFAULT 0 CHECK (lane IN (0, 1)),
    dedup_key     text NOT NULL CHECK (length(dedup_key) <= 200),
    -- Ids only; never names, addresses or texts.
    payload       jsonb NOT NULL DEFAULT '{}',
    due_at        timestamptz NOT NULL,
    -- The wall time that due_at was computed from; due_at is recomputed when the zone's rules change.
    local_zone    text,
    local_date    date,
    local_time    time,
    state         text NOT NULL DEFAULT 'READY' CHECK (state IN ('READY', 'RUNNING', 'FAILED')),
    attempt       integer NOT NULL DEFAULT 0,
    -- Who holds the claim, which claim it is (the fence), and until when by the database's clock.
    claimed_by    uuid,
    claim         bigint NOT NULL DEFAULT 0,
    lease_until   timestamptz,
    last_error    text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, kind, dedup_key),
    CHECK ((local_zone IS NULL) = (local_date IS NULL) AND (local_zone IS NULL) = (local_time IS NULL))
);
CREATE INDEX jobs_ready ON queue.jobs (lane, tenant_id, due_at, id) WHERE state = 'READY';
CREATE INDEX jobs_due ON queue.jobs (due_at) WHERE state = 'READY';
CREATE INDEX jobs_leased ON queue.jobs (lease_until) WHERE state = 'RUNNING';
CREATE INDEX jobs_local ON queue.jobs (local_zone) WHERE local_zone IS NOT NULL;
CREATE INDEX jobs_local_by_tenant ON queue.jobs (tenant_id) WHERE local_zone IS NOT NULL;

-- One row per tick of a recurring schedule: many workers see the tick, one wins it.
CREATE TABLE queue.ticks (
    schedule   text NOT NULL,
    tick       timestamptz NOT NULL,
    PRIMARY KEY (schedule, tick)
);

-- The tenant is the role that the transaction has taken; it cannot be passed in.
CREATE FUNCTION queue.current_tenant() RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT substring(current_setting('role') from '^t_([0-9a-f]{32})$')::uuid
$$;

-- Puts a job in, or, when the same job still waits, moves it to the new time. A job that is being worked on stays.
CREATE FUNCTION queue.enqueue(
    p_kind text, p_dedup_key text, p_payload jsonb, p_due_at timestamptz, p_lane smallint,
    p_zone text, p_date date, p_time time
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_tenant uuid := queue.current_tenant();
BEGIN
    IF v_tenant IS NULL THEN
        RAISE EXCEPTION 'a job needs a tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO queue.jobs (tenant_id, kind, dedup_key, payload, due_at, lane, local_zone, local_date, local_time)
    VALUES (v_tenant, p_kind, p_dedup_key, p_payload, p_due_at, p_lane, p_zone, p_date, p_time)
    ON CONFLICT (tenant_id, kind, dedup_key) DO UPDATE
        SET due_at = EXCLUDED.due_at, payload = EXCLUDED.payload, local_zone = EXCLUDED.local_zone,
            local_date = EXCLUDED.local_date, local_time = EXCLUDED.local_time,
            state = 'READY', attempt = 0, last_error = NULL
        WHERE queue.jobs.state <> 'RUNNING';
END
$$;

-- Takes waiting jobs out again. Returns how many.
CREATE FUNCTION queue.cancel(p_kind text, p_dedup_keys text[]) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH gone AS (
        DELETE FROM queue.jobs
        WHERE tenant_id = queue.current_tenant() AND kind = p_kind AND dedup_key = ANY (p_dedup_keys) AND state <> 'RUNNING'
        RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$;

-- The waiting jobs of a tenant that follow a wall clock and speak of one of these ids (a branch, an appointment, a
-- mail): ids are what payloads hold, so any of their values can be one.
CREATE FUNCTION queue.local_jobs_about(p_ids text[]) RETURNS TABLE (id bigint, local_date date, local_time time, due_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT j.id, j.local_date, j.local_time, j.due_at FROM queue.jobs j
    WHERE j.tenant_id = queue.current_tenant() AND j.local_zone IS NOT NULL AND j.state = 'READY'
        AND EXISTS (SELECT 1 FROM jsonb_each_text(j.payload) v WHERE v.value = ANY (p_ids))
$$;

-- Gives waiting jobs the instants that their wall times have in another zone. Returns how many.
CREATE FUNCTION queue.move_local(p_ids bigint[], p_due_at timestamptz[], p_zone text) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH moved AS (
        UPDATE queue.jobs j SET due_at = x.due_at, local_zone = p_zone
        FROM unnest(p_ids, p_due_at) AS x (id, due_at)
        WHERE j.id = x.id AND j.tenant_id = queue.current_tenant() AND j.state = 'READY'
        RETURNING 1
    )
    SELECT count(*)::integer FROM moved
$$;

REVOKE ALL ON FUNCTION queue.enqueue, queue.cancel, queue.local_jobs_about, queue.move_local FROM PUBLIC;
