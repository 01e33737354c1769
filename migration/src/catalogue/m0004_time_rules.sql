-- The release of the time-zone rules that a centre's future local times were last computed with. NULL: not known, so they
-- are computed again. `time_rules` says which release that should be: the one of the node that started last.
ALTER TABLE catalogue.tenants ADD COLUMN time_rules text;
