"""What was done on behalf of somebody is found in the audit trail.

A revision of its own: building an index takes time, in which nobody should wait for the columns.

Revision ID: audit_on_behalf_of
Revises: access_search
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "audit_on_behalf_of"
down_revision: str | None = "access_search"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_audit_events_on_behalf_of",
        "audit_events",
        ["on_behalf_of", "at", "id"],
        postgresql_where=sa.text("on_behalf_of IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_on_behalf_of", "audit_events")
