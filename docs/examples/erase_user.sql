-- Erases a person: psql "$CMS_DATABASE_DIRECT_URL" --set user_id=ID --file erase_user.sql
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT set_config('erasure.user_id', :'user_id', true);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM users WHERE id = current_setting('erasure.user_id')::uuid AND deleted_at IS NOT NULL) THEN
        RAISE EXCEPTION 'No deleted account has this id. Delete the account through the API first.';
    END IF;
END
$$;

-- The sessions and the assignments of roles, with their reasons, go with the row.
DELETE FROM users WHERE id = :'user_id';
DELETE FROM throttles WHERE purpose = 'account' AND subject = decode(replace(:'user_id', '-', ''), 'hex');

-- The audit trail keeps who, what and when. It loses the words that describe the person.
CREATE FUNCTION pg_temp.without_words(members jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_object_agg(
        key,
        CASE WHEN value <> 'null' AND key IN ('email', 'display_name', 'external_id', 'reason')
            THEN '"erased"' ELSE value END
    ), members)
    FROM jsonb_each(CASE WHEN jsonb_typeof(members) = 'object' THEN members ELSE '{}' END)
$$;

ALTER TABLE audit_events DISABLE TRIGGER audit_events_keep;
UPDATE audit_events
SET before = pg_temp.without_words(before), after = pg_temp.without_words(after)
WHERE target_type = 'user' AND target_id = :'user_id';
UPDATE audit_events SET ip = NULL WHERE actor_id = :'user_id';
UPDATE audit_events SET ip = NULL WHERE target_type = 'user' AND target_id = :'user_id' AND actor_id IS NULL;
ALTER TABLE audit_events ENABLE TRIGGER audit_events_keep;
COMMIT;
