"""Machines sign in too: service accounts, their roles and keys, and the tokens that were revoked before their time.

Revision ID: service_accounts
Revises: role_inheritance
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from uuid_utils.compat import uuid7

revision: str = "service_accounts"
down_revision: str | None = "role_inheritance"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PERMISSIONS = {
    "service_accounts:read": "See service accounts, their roles and the names of their keys.",
    "service_accounts:manage": "Create, change and delete service accounts, their roles and their keys.",
    "access:check": "Ask what others may do.",
    "tokens:introspect": "Ask whether a token is live, and whose it is.",
}

permissions = sa.table(
    "permissions",
    sa.column("id", sa.Uuid),
    sa.column("name"),
    sa.column("description"),
    sa.column("is_system", sa.Boolean),
)


def upgrade() -> None:
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("name = lower(name)", name=op.f("ck_service_accounts_name_canonical")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_accounts")),
    )
    op.create_index("ix_service_accounts_created_at_id", "service_accounts", ["created_at", "id"])
    op.create_index(
        "uq_service_accounts_name_live",
        "service_accounts",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "service_account_roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_account_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("expires_at > not_before", name=op.f("ck_service_account_roles_window_not_empty")),
        sa.ForeignKeyConstraint(
            ["role_id"], ["roles.id"], name=op.f("fk_service_account_roles_role_id_roles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name=op.f("fk_service_account_roles_service_account_id_service_accounts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_account_roles")),
        sa.UniqueConstraint(
            "service_account_id",
            "role_id",
            "scope",
            name="uq_service_account_roles_service_account_id_role_id_scope",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_service_account_roles_role_id", "service_account_roles", ["role_id", "service_account_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("service_account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.String()), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name=op.f("fk_api_keys_service_account_id_service_accounts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("uq_api_keys_digest", "api_keys", ["digest"], unique=True)
    op.create_index("ix_api_keys_service_account_id", "api_keys", ["service_account_id", "id"])
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_revoked_tokens")),
    )
    op.create_index("ix_revoked_tokens_expires_at", "revoked_tokens", ["expires_at"])
    op.add_column("audit_events", sa.Column("credential_id", sa.Uuid(), nullable=True))
    op.add_column("audit_events", sa.Column("on_behalf_of", sa.Uuid(), nullable=True))
    # An administrator may have made one of the names already.
    for name, description in PERMISSIONS.items():
        rows = postgresql.insert(permissions).values(id=uuid7(), name=name, description=description, is_system=True)
        op.execute(rows.on_conflict_do_update(index_elements=["name"], set_={"is_system": True}))


def downgrade() -> None:
    op.execute(permissions.delete().where(permissions.c.name.in_(PERMISSIONS)))
    op.drop_column("audit_events", "on_behalf_of")
    op.drop_column("audit_events", "credential_id")
    for table in ("revoked_tokens", "api_keys", "service_account_roles", "service_accounts"):
        op.drop_table(table)
