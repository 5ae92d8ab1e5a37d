"""Events from one IP address are found in the audit trail.

Revision ID: audit_ip
Revises: idempotency_keys
"""

from collections.abc import Sequence

from alembic import op

from cms_service.core.database import create_partitioned_index

revision: str = "audit_ip"
down_revision: str | None = "idempotency_keys"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    create_partitioned_index("ix_audit_events_ip", "audit_events", ["ip", "at", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_events_ip", table_name="audit_events")
