-- Changes of encrypted values that change no meaning: the same value under a newer key. They run with the owner's rights,
-- so that the tables of centres can refuse every other change of what is final (signed entries) to every other role, and
-- only the application's login role may call them: a centre's role may not.
CREATE SCHEMA sealing;

-- Puts values that were sealed anew in the place of what they were sealed from, where that is still there: what was
-- changed meanwhile stays. Returns how many were put.
CREATE FUNCTION sealing.reseal(
    p_schema text, p_table text, p_column text, p_row text, p_field text,
    p_rows uuid[], p_fields text[], p_old bytea[], p_new bytea[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_done bigint;
BEGIN
    IF p_schema !~ '^t_[0-9a-f]{32}$' OR p_column !~ '_sealed$' THEN
        RAISE EXCEPTION 'no sealed column of a centre' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format(
        'UPDATE %1$I.%2$I t SET %3$I = x.new FROM unnest($1, $2, $3, $4) AS x (id, field, old, new)
         WHERE t.%4$I = x.id AND t.%3$I = x.old AND length(x.new) = length(x.old) %5$s',
        p_schema, p_table, p_column, p_row,
        CASE WHEN p_field = '' THEN '' ELSE format('AND t.%I = x.field', p_field) END)
    USING p_rows, p_fields, p_old, p_new;
    GET DIAGNOSTICS v_done = ROW_COUNT;
    RETURN v_done;
END
$$;

-- Puts the same key, wrapped by another master key, in the place of what it was wrapped to before.
CREATE FUNCTION sealing.rewrap(
    p_schema text, p_purpose text, p_version integer, p_old bytea, p_master_key text, p_new bytea
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_done bigint;
BEGIN
    IF p_schema !~ '^t_[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'no schema of a centre' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('UPDATE %I.tenant_keys SET wrapped = $5, master_key = $4 WHERE purpose = $1 AND version = $2 AND wrapped = $3', p_schema)
    USING p_purpose, p_version, p_old, p_master_key, p_new;
    GET DIAGNOSTICS v_done = ROW_COUNT;
    RETURN v_done = 1;
END
$$;

-- Notes that no value needs this version and those before it any more. The newest is never retired.
CREATE FUNCTION sealing.retire(p_schema text, p_version integer, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    v_done bigint;
BEGIN
    IF p_schema !~ '^t_[0-9a-f]{32}$' THEN
        RAISE EXCEPTION 'no schema of a centre' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format(
        'UPDATE %1$I.tenant_keys SET retired_at = $2 WHERE purpose = ''DATA'' AND version <= $1 AND retired_at IS NULL
             AND version < (SELECT max(version) FROM %1$I.tenant_keys WHERE purpose = ''DATA'')', p_schema)
    USING p_version, p_at;
    GET DIAGNOSTICS v_done = ROW_COUNT;
    RETURN v_done;
END
$$;

REVOKE ALL ON FUNCTION sealing.reseal, sealing.rewrap, sealing.retire FROM PUBLIC;
