-- What a claim reads: per lane and centre the due jobs of one kind. Without the kind in it, a claim that may take no more
-- mails had to read past every waiting one to find what else is due.
DROP INDEX queue.jobs_ready;
CREATE INDEX jobs_ready ON queue.jobs (lane, tenant_id, kind, due_at, id) WHERE state = 'READY';
