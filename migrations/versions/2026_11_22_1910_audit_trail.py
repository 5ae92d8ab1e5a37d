"""The audit trail: append-only, partitioned by month.

Revision ID: audit_trail
Revises: accounts_and_access
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "audit_trail"
down_revision: str | None = "accounts_and_access"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Twelve months ahead from the day of the migration; every later `cms-service migrate` extends them. An event that no
# month takes lands in the default partition: a late operator loses no event.
CREATE_PARTITIONS = """
CREATE FUNCTION create_audit_partitions(months_ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    partition text;
BEGIN
    FOR i IN 0..months_ahead LOOP
        partition := 'audit_events_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                    partition, month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00'
                );
                EXECUTE format(
                    'CREATE TRIGGER audit_events_keep_all BEFORE TRUNCATE ON %I '
                    'FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', partition
                );
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'audit_events_default already has events of %', to_char(month, 'YYYY-MM');
            END;
        END IF;
        month := month + interval '1 month';
    END LOOP;
END
$$
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target_type", sa.String(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("ip", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("pk_audit_events")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_audit_events_action", "audit_events", ["action", "at", "id"])
    op.create_index("ix_audit_events_actor_id", "audit_events", ["actor_id", "at", "id"])
    op.create_index("ix_audit_events_request_id", "audit_events", ["request_id"])
    op.create_index("ix_audit_events_target", "audit_events", ["target_type", "target_id", "at", "id"])
    op.execute(REFUSE_CHANGE)
    op.execute(
        "CREATE TRIGGER audit_events_keep BEFORE UPDATE OR DELETE ON audit_events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute(
        "CREATE TRIGGER audit_events_keep_all BEFORE TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute("CREATE TABLE audit_events_default PARTITION OF audit_events DEFAULT")
    op.execute(
        "CREATE TRIGGER audit_events_keep_all BEFORE TRUNCATE ON audit_events_default "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )
    op.execute(CREATE_PARTITIONS)
    op.execute("SELECT create_audit_partitions(12)")


def downgrade() -> None:
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION create_audit_partitions(integer)")
    op.execute("DROP FUNCTION refuse_audit_change()")
