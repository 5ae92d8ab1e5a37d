"""All that happened to a thing is found in the audit trail by its id alone.

The index that begins with the type of the target serves that only from PostgreSQL 18 on, by skip scans.

Revision ID: audit_target_id
Revises: audit_ip
"""

from collections.abc import Sequence

from alembic import op

from cms_service.core.database import create_partitioned_index

revision: str = "audit_target_id"
down_revision: str | None = "audit_ip"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    create_partitioned_index("ix_audit_events_target_id", "audit_events", ["target_id", "at", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_events_target_id", table_name="audit_events")
