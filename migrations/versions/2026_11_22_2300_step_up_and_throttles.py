"""When users last proved who they are, and how often somebody failed to.

Revision ID: step_up_and_throttles
Revises: system_roles
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "step_up_and_throttles"
down_revision: str | None = "system_roles"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "refresh_tokens",
        sa.Column("authenticated_at", sa.DateTime(timezone=True), server_default=sa.text("'epoch'"), nullable=False),
    )
    # A constant default writes no row. Sessions from before count as authenticated long ago.
    op.alter_column("refresh_tokens", "authenticated_at", server_default=sa.text("now()"))
    op.add_column("users", sa.Column("password_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "throttles",
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("streak", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "subject", name=op.f("pk_throttles")),
    )
    op.create_index("ix_throttles_last_failed_at", "throttles", ["last_failed_at"])


def downgrade() -> None:
    op.drop_table("throttles")
    op.drop_column("users", "password_changed_at")
    op.drop_column("refresh_tokens", "authenticated_at")
