"""Caches of access: what has changed, and who still has to hear of it.

Revision ID: access_changes
Revises: service_accounts
"""

from collections.abc import Sequence

from alembic import op

revision: str = "access_changes"
down_revision: str | None = "service_accounts"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NOTHING = "'00000000-0000-0000-0000-000000000000'"

# Named by the transaction that made them: caches read on from a snapshot, and miss none that commits late.
CREATE_CHANGES = f"""
CREATE TABLE access_changes (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind varchar NOT NULL,
    subject_id uuid NOT NULL DEFAULT {NOTHING},
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_access_changes PRIMARY KEY (xid, kind, subject_id)
)
"""
CREATE_LEASES = """
CREATE TABLE cache_leases (
    id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    seen pg_snapshot NOT NULL,
    CONSTRAINT pk_cache_leases PRIMARY KEY (id)
) WITH (fillfactor = 50)
"""
# Arguments: the kind of the change, and the column that names what has changed.
RECORD_CHANGE = """
CREATE FUNCTION record_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
BEGIN
    INSERT INTO access_changes (kind, subject_id)
    SELECT DISTINCT TG_ARGV[0], changed.id::uuid
    FROM unnest(ARRAY[old_row ->> TG_ARGV[1], new_row ->> TG_ARGV[1]]) AS changed (id)
    WHERE changed.id IS NOT NULL
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$
"""
# For what is rare and reaches far: everything is to be forgotten.
RECORD_UPHEAVAL = """
CREATE FUNCTION record_access_upheaval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_changes (kind) VALUES ('everything') ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$
"""
ANNOUNCE = """
CREATE FUNCTION announce_access_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY cms_access;
    RETURN NULL;
END
$$
"""
TABLES = (
    "users",
    "refresh_tokens",
    "user_roles",
    "service_accounts",
    "service_account_roles",
    "api_keys",
    "roles",
    "role_inheritance",
    "role_permissions",
    "permissions",
)
TRIGGERS = (
    (
        "access_changes_announced AFTER INSERT ON access_changes "
        "FOR EACH STATEMENT EXECUTE FUNCTION announce_access_change()"
    ),
    (
        "user_roles_recorded AFTER INSERT OR UPDATE OR DELETE ON user_roles "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('principal', 'user_id')"
    ),
    (
        "service_account_roles_recorded AFTER INSERT OR UPDATE OR DELETE ON service_account_roles "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('principal', 'service_account_id')"
    ),
    (
        "role_permissions_recorded AFTER INSERT OR UPDATE OR DELETE ON role_permissions "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('role', 'role_id')"
    ),
    (
        "role_inheritance_recorded AFTER INSERT OR UPDATE OR DELETE ON role_inheritance "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('role', 'role_id')"
    ),
    (
        "roles_recorded AFTER UPDATE OF deleted_at ON roles FOR EACH ROW "
        "WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION record_access_change('role', 'id')"
    ),
    (
        "roles_restored_recorded AFTER UPDATE OF deleted_at ON roles FOR EACH ROW "
        "WHEN (NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL) EXECUTE FUNCTION record_access_upheaval()"
    ),
    "roles_gone_recorded AFTER DELETE ON roles FOR EACH ROW EXECUTE FUNCTION record_access_change('role', 'id')",
    (
        "permissions_recorded AFTER INSERT OR UPDATE OF name OR DELETE ON permissions "
        "FOR EACH STATEMENT EXECUTE FUNCTION record_access_upheaval()"
    ),
    (
        "users_recorded AFTER UPDATE OF is_active, deleted_at, email, external_id ON users FOR EACH ROW "
        "WHEN ((OLD.is_active, OLD.deleted_at, OLD.email, OLD.external_id)"
        " IS DISTINCT FROM (NEW.is_active, NEW.deleted_at, NEW.email, NEW.external_id)) "
        "EXECUTE FUNCTION record_access_change('principal', 'id')"
    ),
    "users_gone_recorded AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION record_access_change('principal', 'id')",
    (
        "service_accounts_recorded AFTER UPDATE OF is_active, deleted_at, name ON service_accounts FOR EACH ROW "
        "WHEN ((OLD.is_active, OLD.deleted_at, OLD.name) IS DISTINCT FROM (NEW.is_active, NEW.deleted_at, NEW.name)) "
        "EXECUTE FUNCTION record_access_change('principal', 'id')"
    ),
    (
        "service_accounts_gone_recorded AFTER DELETE ON service_accounts "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('principal', 'id')"
    ),
    (
        "api_keys_recorded AFTER UPDATE ON api_keys FOR EACH ROW "
        "WHEN ((OLD.revoked_at, OLD.expires_at, OLD.permissions, OLD.digest, OLD.service_account_id) IS DISTINCT FROM"
        " (NEW.revoked_at, NEW.expires_at, NEW.permissions, NEW.digest, NEW.service_account_id)) "
        "EXECUTE FUNCTION record_access_change('credential', 'id')"
    ),
    (
        "api_keys_gone_recorded AFTER DELETE ON api_keys "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('credential', 'id')"
    ),
    (
        "revoked_tokens_recorded AFTER INSERT ON revoked_tokens "
        "FOR EACH ROW EXECUTE FUNCTION record_access_change('credential', 'jti')"
    ),
    # Never on login or refresh, and not when housekeeping removes what is over: a NOTIFY makes commits wait.
    (
        "refresh_tokens_recorded AFTER UPDATE ON refresh_tokens FOR EACH ROW "
        "WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at OR OLD.user_id <> NEW.user_id"
        " OR NEW.idle_expires_at < OLD.idle_expires_at OR NEW.expires_at < OLD.expires_at) "
        "EXECUTE FUNCTION record_access_change('session', 'id')"
    ),
    (
        "refresh_tokens_gone_recorded AFTER DELETE ON refresh_tokens FOR EACH ROW "
        "WHEN (OLD.revoked_at IS NULL AND OLD.idle_expires_at > now() AND OLD.expires_at > now()) "
        "EXECUTE FUNCTION record_access_change('session', 'id')"
    ),
    *(
        f"{table}_truncated_recorded AFTER TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION record_access_upheaval()"
        for table in TABLES
    ),
)


def upgrade() -> None:
    for statement in (CREATE_CHANGES, CREATE_LEASES, RECORD_CHANGE, RECORD_UPHEAVAL, ANNOUNCE):
        op.execute(statement)
    op.create_index("ix_access_changes_at", "access_changes", ["at"])
    for trigger in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger}")


def downgrade() -> None:
    for trigger in TRIGGERS:
        name, table = trigger.split(" ", 1)[0], trigger.split(" ON ", 1)[1].split(" ", 1)[0]
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.drop_table("cache_leases")
    op.drop_table("access_changes")
    for function in ("announce_access_change", "record_access_upheaval", "record_access_change"):
        op.execute(f"DROP FUNCTION {function}()")
