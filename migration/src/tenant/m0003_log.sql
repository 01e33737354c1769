-- What happened: the event log that streams read, the audit trail, and mail.

-- The last position given out. Locked as the last thing a transaction does, so offsets have no gap and follow the
-- order of commits; a sequence would lose rows for readers when transactions commit out of order.
CREATE TABLE event_head (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position  bigint NOT NULL DEFAULT 0,
    -- Events up to and including this one have been removed by retention.
    removed   bigint NOT NULL DEFAULT 0
);
INSERT INTO event_head DEFAULT VALUES;

-- Ids and closed words only: the payload is loaded under the reader's own permissions.
CREATE TABLE events (
    position      bigint PRIMARY KEY,
    id            uuid NOT NULL,
    type          text NOT NULL,
    occurred_at   timestamptz NOT NULL,
    actor_kind    text NOT NULL,
    actor_id      uuid,
    subject_type  text NOT NULL,
    subject_id    uuid NOT NULL,
    branch_id     uuid,
    data          jsonb NOT NULL DEFAULT '{}',
    request_id    text NOT NULL
);
CREATE INDEX events_by_time ON events (occurred_at);

CREATE TABLE audit_entries (
    id            uuid PRIMARY KEY,
    at            timestamptz NOT NULL,
    actor_kind    text NOT NULL,
    actor_id      uuid,
    action        text NOT NULL,
    subject_type  text NOT NULL,
    subject_id    uuid NOT NULL,
    request_id    text NOT NULL,
    before        jsonb,
    after         jsonb,
    reason        text
);
CREATE INDEX audit_entries_by_subject ON audit_entries (subject_id, at, id);

CREATE TABLE email_messages (
    id                uuid PRIMARY KEY,
    kind              text NOT NULL,
    dedup_key         text NOT NULL UNIQUE,
    recipient         text NOT NULL,
    subject           text NOT NULL DEFAULT '',
    status            text NOT NULL CHECK (status IN ('SCHEDULED', 'SENDING', 'SENT', 'DELIVERED', 'BOUNCED', 'COMPLAINED', 'FAILED',
                          'CANCELLED', 'EXPIRED', 'SUPPRESSED')),
    scheduled_local   timestamp,
    time_zone         text,
    due_at            timestamptz NOT NULL,
    -- Not sent after this.
    expires_at        timestamptz,
    sent_at           timestamptz,
    -- Derived from dedup_key, so every copy of one mail carries the same.
    message_id        text NOT NULL UNIQUE,
    attempts          integer NOT NULL DEFAULT 0,
    last_error        text,
    -- The appointment (later: campaign, quote …) it is about, and that appointment's revision when it was scheduled.
    related_id        uuid,
    revision          integer NOT NULL DEFAULT 0,
    -- When a moved appointment was before, as the patient knew it.
    previous_start    timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);
CREATE INDEX email_messages_by_related ON email_messages (related_id) WHERE related_id IS NOT NULL;
CREATE INDEX email_messages_by_due ON email_messages (due_at, id);

CREATE TABLE suppressions (
    id      uuid PRIMARY KEY,
    email   text NOT NULL UNIQUE CHECK (email = lower(email)),
    reason  text NOT NULL,
    at      timestamptz NOT NULL
);

-- The trail and the log are written once: the tenant's role may add to them and read them, nothing else.
REVOKE UPDATE, DELETE, TRUNCATE ON events, audit_entries FROM PUBLIC;

-- Retention: the only way events ever leave, and it remembers how far, so that a reader from before is told honestly.
CREATE FUNCTION prune_events(p_before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    v_last bigint;
BEGIN
    SELECT max(position) INTO v_last FROM events WHERE occurred_at < p_before;
    IF v_last IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE event_head SET removed = greatest(removed, v_last);
    DELETE FROM events WHERE position <= v_last;
    RETURN v_last;
END
$$;
REVOKE ALL ON FUNCTION prune_events FROM PUBLIC;
