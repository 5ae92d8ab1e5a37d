"""All that one decision rests on."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased, contains_eager

from cms_service.core.database import UnitOfWork
from cms_service.models import Permission, Role, RoleInheritance, RolePermission, ServiceAccountRole, UserRole
from cms_service.repositories._inheritance import giving, inherited_together
from cms_service.repositories.holders import Holding


class AccountState(msgspec.Struct, frozen=True):
    """Whether an account counts."""

    is_active: bool
    deleted_at: datetime | None


class GrantingRoles(msgspec.Struct, frozen=True):
    """The part of the role graph that lies between some roles and permissions."""

    roles: dict[UUID, Role]
    parents: dict[UUID, list[UUID]]
    """Of each role those that it inherits, by name."""
    permissions: dict[UUID, list[Permission]]
    """Of each role those that it holds itself, by name."""


class ExplanationRepository:
    """Reads from one snapshot: whatever changes meanwhile, all that it says was true at `begin`."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def begin(self) -> datetime:
        """The moment that is explained, by the database's clock. Nothing else was read in this unit of work before."""
        await self.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        moment: datetime = (await self.session.execute(select(func.now()))).scalar_one()
        return moment

    async def find_account(self, holding: Holding, account_id: UUID) -> AccountState | None:
        statement = select(holding.account.is_active, holding.account.deleted_at)
        found = (await self.session.execute(statement.where(holding.account.id == account_id))).one_or_none()
        return None if found is None else AccountState(*found)

    async def has_permission(self, name: str) -> bool:
        """Whether there is a permission of this name."""
        return await self.session.scalar(select(Permission.id).where(Permission.name == name)) is not None

    async def find_assignments(
        self, holding: Holding, account_id: UUID, permissions: Collection[str]
    ) -> Sequence[UserRole | ServiceAccountRole]:
        """Those whose role gives one of the permissions, whatever their scope and whether they count now or not."""
        kind = holding.assignment
        statement = (
            select(kind)
            .join(kind.role)
            .options(contains_eager(kind.role))
            .where(holding.owner == account_id, kind.role_id.in_(_giving(permissions)))
            .order_by(Role.name, kind.scope.nulls_first())
        )
        return (await self.session.scalars(statement)).all()

    async def find_granting_roles(self, role_ids: Collection[UUID], permissions: Collection[str]) -> GrantingRoles:
        """The roles that these inherit, themselves among them, and that give one of the permissions."""
        between = (
            select(inherited_together(role_ids).c.role_id.label("role_id"))
            .intersect(_giving(permissions))
            .cte("between")
        )
        ids = select(between.c.role_id)
        roles = await self.session.scalars(select(Role).where(Role.id.in_(ids)))
        parent = aliased(Role)
        links = await self.session.execute(
            select(RoleInheritance.role_id, parent.id)
            .join(parent, parent.id == RoleInheritance.parent_id)
            .where(RoleInheritance.role_id.in_(ids), parent.id.in_(ids))
            .order_by(parent.name)
        )
        held = await self.session.execute(
            select(RolePermission.role_id, Permission)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(RolePermission.role_id.in_(ids), Permission.name.in_(permissions))
            .order_by(Permission.name)
        )
        graph = GrantingRoles({role.id: role for role in roles}, {}, {})
        for role_id, parent_id in links:
            graph.parents.setdefault(role_id, []).append(parent_id)
        for role_id, permission in held:
            graph.permissions.setdefault(role_id, []).append(permission)
        return graph


def _giving(permissions: Collection[str]) -> Select[UUID]:
    return select(giving(Permission.name.in_(permissions)).c.role_id).distinct()
