"""Which role inherits which."""

from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from cms_service.core.database import UnitOfWork
from cms_service.models import Permission, Role, RoleInheritance, RolePermission
from cms_service.repositories._inheritance import inherited_together


class RoleGraph(msgspec.Struct, frozen=True):
    """The live roles of a moment."""

    parents: dict[UUID, set[UUID]]
    """What each inherits directly; a role that inherits nothing is not here."""
    permissions: dict[UUID, set[str]]
    """What each holds itself; a role that holds nothing is not here."""
    names: set[str]
    """All permissions that there are. Wildcards imply no others."""


class RoleGraphRepository:
    """Links from roles to those that they inherit."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def links_above(self, role_ids: Collection[UUID]) -> dict[UUID, list[Role]]:
        """The parents of each of the live roles and of all that they inherit, by name."""
        reach = inherited_together(role_ids)
        parent = aliased(Role)
        statement = (
            select(RoleInheritance.role_id, parent)
            .join(reach, reach.c.role_id == RoleInheritance.role_id)
            .join(parent, and_(parent.id == RoleInheritance.parent_id, parent.deleted_at.is_(None)))
            .order_by(parent.name)
        )
        links: dict[UUID, list[Role]] = {}
        for role_id, role in await self.session.execute(statement):
            links.setdefault(role_id, []).append(role)
        return links

    async def read(self) -> RoleGraph:
        """All of it, as it is now in this transaction."""
        graph = RoleGraph({}, {}, set(await self.session.scalars(select(Permission.name))))
        role, parent = aliased(Role), aliased(Role)
        links = (
            select(RoleInheritance.role_id, RoleInheritance.parent_id)
            .join(role, and_(role.id == RoleInheritance.role_id, role.deleted_at.is_(None)))
            .join(parent, and_(parent.id == RoleInheritance.parent_id, parent.deleted_at.is_(None)))
        )
        for role_id, parent_id in await self.session.execute(links):
            graph.parents.setdefault(role_id, set()).add(parent_id)
        grants = (
            select(RolePermission.role_id, Permission.name)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .join(role, and_(role.id == RolePermission.role_id, role.deleted_at.is_(None)))
        )
        for role_id, name in await self.session.execute(grants):
            graph.permissions.setdefault(role_id, set()).add(name)
        return graph

    async def link(self, role_id: UUID, parent_ids: Iterable[UUID], granted_by: UUID | None) -> None:
        """The role inherits these too."""
        rows = [{"role_id": role_id, "parent_id": parent_id, "granted_by": granted_by} for parent_id in parent_ids]
        if rows:
            await self.session.execute(insert(RoleInheritance).values(rows).on_conflict_do_nothing())

    async def unlink(self, role_id: UUID, parent_ids: Collection[UUID]) -> None:
        """The role no longer inherits these."""
        await self.session.execute(
            delete(RoleInheritance).where(RoleInheritance.role_id == role_id, RoleInheritance.parent_id.in_(parent_ids))
        )

    async def isolate(self, role_id: UUID) -> None:
        """The role inherits none and none inherits it; those that did have changed."""
        children = select(RoleInheritance.role_id).where(RoleInheritance.parent_id == role_id)
        await self.session.execute(
            update(Role)
            .where(Role.id.in_(children), Role.deleted_at.is_(None))
            .values(version=Role.version + 1, updated_at=func.now())
            .execution_options(synchronize_session=False)
        )
        await self.session.execute(
            delete(RoleInheritance).where(or_(RoleInheritance.role_id == role_id, RoleInheritance.parent_id == role_id))
        )
