"""Roles inherit roles. What grants is no longer always a user.

Revision ID: role_inheritance
Revises: step_up_and_throttles
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "role_inheritance"
down_revision: str | None = "step_up_and_throttles"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "role_inheritance",
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role_id <> parent_id", name=op.f("ck_role_inheritance_not_of_itself")),
        sa.ForeignKeyConstraint(
            ["role_id"], ["roles.id"], name=op.f("fk_role_inheritance_role_id_roles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["roles.id"], name=op.f("fk_role_inheritance_parent_id_roles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "parent_id", name=op.f("pk_role_inheritance")),
    )
    op.create_index("ix_role_inheritance_parent_id", "role_inheritance", ["parent_id", "role_id"])
    for table in ("user_roles", "role_permissions"):
        op.drop_constraint(f"fk_{table}_granted_by_users", table, type_="foreignkey")


def downgrade() -> None:
    # NOT VALID: what service accounts have granted stays on record.
    for table in ("user_roles", "role_permissions"):
        op.create_foreign_key(
            op.f(f"fk_{table}_granted_by_users"), table, "users", ["granted_by"], ["id"], postgresql_not_valid=True
        )
    op.drop_table("role_inheritance")
