"""The service's own permissions and the roles it relies on.

Revision ID: system_roles
Revises: audit_trail
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from uuid_utils.compat import uuid7

revision: str = "system_roles"
down_revision: str | None = "audit_trail"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PERMISSIONS = {
    "*:*": "Everything.",
    "users:read": "See accounts, their roles and their permissions.",
    "users:create": "Create accounts.",
    "users:update": "Change, activate and deactivate accounts.",
    "users:delete": "Delete accounts.",
    "users:restore": "Restore deleted accounts.",
    "users:assign_roles": "Assign roles to accounts and withdraw them.",
    "roles:read": "See roles, their permissions and who holds them.",
    "roles:create": "Create roles.",
    "roles:update": "Change roles and the permissions they hold.",
    "roles:delete": "Delete roles.",
    "permissions:read": "See permissions.",
    "permissions:create": "Create permissions.",
    "permissions:update": "Describe permissions.",
    "permissions:delete": "Delete permissions.",
    "sessions:read": "See the sessions of accounts.",
    "sessions:revoke": "End the sessions of accounts.",
    "audit:read": "Read the audit trail.",
}
ROLES = {
    "administrator": ("Administrator", "May do everything."),
    "member": ("Member", "Everyone who registers."),
}

permissions = sa.table(
    "permissions",
    sa.column("id", sa.Uuid),
    sa.column("name"),
    sa.column("description"),
    sa.column("is_system", sa.Boolean),
)
roles = sa.table(
    "roles",
    sa.column("id", sa.Uuid),
    sa.column("name"),
    sa.column("title"),
    sa.column("description"),
    sa.column("is_system", sa.Boolean),
)
role_permissions = sa.table("role_permissions", sa.column("role_id", sa.Uuid), sa.column("permission_id", sa.Uuid))


def upgrade() -> None:
    permission_ids = {name: uuid7() for name in PERMISSIONS}
    role_ids = {name: uuid7() for name in ROLES}
    op.bulk_insert(
        permissions,
        [
            {"id": permission_ids[name], "name": name, "description": description, "is_system": True}
            for name, description in PERMISSIONS.items()
        ],
    )
    op.bulk_insert(
        roles,
        [
            {"id": role_ids[name], "name": name, "title": title, "description": description, "is_system": True}
            for name, (title, description) in ROLES.items()
        ],
    )
    op.bulk_insert(
        role_permissions,
        [{"role_id": role_ids["administrator"], "permission_id": permission_ids["*:*"]}],
    )


def downgrade() -> None:
    # Deleting the rows takes their grants and assignments with them (ON DELETE CASCADE).
    op.execute(roles.delete().where(roles.c.is_system))
    op.execute(permissions.delete().where(permissions.c.is_system))
