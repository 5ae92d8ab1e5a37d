"""Who has a role in a scope is found in the order of their ids, however many have it elsewhere.

Revision ID: access_search
Revises: access_changes
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "access_search"
down_revision: str | None = "access_changes"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OWNERS = {"user_roles": "user_id", "service_account_roles": "service_account_id"}


def upgrade() -> None:
    for table, owner in OWNERS.items():
        op.create_index(f"ix_{table}_role_id_scope", table, ["role_id", sa.text("coalesce(scope, '')"), owner])


def downgrade() -> None:
    for table in OWNERS:
        op.drop_index(f"ix_{table}_role_id_scope", table_name=table)
