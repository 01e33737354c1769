-- Unless it is named, PostgreSQL looks for a table among the temporary ones first. Functions that took the migration's own
-- search path could so be shown tables of the caller's making: a trigger that asks whether an entry is still a draft, or
-- one that works with the owner's rights. Temporary tables last, as in m0008.
DO $do$
DECLARE
    v_function regprocedure;
BEGIN
    FOREACH v_function IN ARRAY ARRAY[
        'prune_events(timestamptz)', 'refuse_audit_change()', 'keep_an_administrator()', 'count_attachments()',
        'keep_published_templates()', 'keep_record_entries()', 'keep_record_values()', 'keep_record_attachments()'
    ]::regprocedure[] LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function, current_schema());
    END LOOP;
END $do$;
