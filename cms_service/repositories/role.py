"""Roles and the permissions they hold."""

from collections.abc import Collection, Iterable
from typing import ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import Select, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import selectinload

from cms_service.core.database import Ordering, Slice, Window, escape_like, fetch_slice
from cms_service.core.exceptions import NotFound
from cms_service.models import Permission, Role, RolePermission


class RoleRepository(SQLAlchemyAsyncRepository[Role]):
    """Live roles. Every role comes with its permissions and its parents."""

    model_type = Role

    ORDERINGS: ClassVar[dict[str, Ordering]] = {
        "name": Ordering(Role.name, Role.id),
        "name_desc": Ordering(Role.name, Role.id, is_descending=True),
        "created_at": Ordering(Role.created_at, Role.id),
        "created_at_desc": Ordering(Role.created_at, Role.id, is_descending=True),
    }

    async def get_live(self, role_id: UUID) -> Role:
        """Raises NotFound."""
        return _found(await self.session.scalar(_live().where(Role.id == role_id)))

    async def lock_live(self, role_id: UUID) -> Role:
        """The role as it is now, which nobody else changes before this transaction ends. Raises NotFound."""
        statement = _live().where(Role.id == role_id).with_for_update(of=Role, key_share=True)
        return _found(await self.session.scalar(statement.execution_options(populate_existing=True)))

    async def get_by_name(self, name: str) -> Role:
        """Raises NotFound."""
        return _found(await self.session.scalar(_live().where(Role.name == name)))

    async def find_many(self, role_ids: Collection[UUID]) -> dict[UUID, Role]:
        """Those of `role_ids` that exist."""
        statement = _live().where(Role.id.in_(role_ids))
        return {role.id: role for role in await self.session.scalars(statement)}

    async def slice(
        self,
        sort: str,
        window: Window,
        *,
        q: str | None = None,
        is_system: bool | None = None,
        permission: str | None = None,
    ) -> Slice:
        """Part of the roles that pass every filter given. `q` is looked for in names and titles."""
        statement = _live()
        if q is not None:
            pattern = f"%{escape_like(q)}%"
            statement = statement.where(
                or_(Role.name.ilike(pattern, escape="\\"), Role.title.ilike(pattern, escape="\\"))
            )
        if is_system is not None:
            statement = statement.where(Role.is_system == is_system)
        if permission is not None:
            statement = statement.where(Role.permissions.any(Permission.name == permission))
        return await fetch_slice(self.session, statement, self.ORDERINGS[sort], window)

    async def slice_of_permission(self, permission_id: UUID, window: Window) -> Slice:
        """Part of the roles that hold the permission themselves, by name."""
        held = exists().where(RolePermission.role_id == Role.id, RolePermission.permission_id == permission_id)
        statement = select(Role).where(Role.deleted_at.is_(None), held)
        return await fetch_slice(self.session, statement, self.ORDERINGS["name"], window)

    async def grant(self, role_id: UUID, permission_ids: Iterable[UUID], granted_by: UUID | None) -> None:
        """The role holds these permissions too."""
        rows = [
            {"role_id": role_id, "permission_id": permission_id, "granted_by": granted_by}
            for permission_id in permission_ids
        ]
        if rows:
            await self.session.execute(insert(RolePermission).values(rows).on_conflict_do_nothing())

    async def withdraw(self, role_id: UUID, permission_ids: Collection[UUID]) -> None:
        """The role no longer holds these permissions."""
        await self.session.execute(
            delete(RolePermission).where(
                RolePermission.role_id == role_id, RolePermission.permission_id.in_(permission_ids)
            )
        )

    async def read_again(self, role: Role) -> Role:
        """The role with the permissions and the parents that it has by now."""
        await self.session.refresh(role, ["permissions", "parents"])
        return role

    async def touch(self, role: Role) -> Role:
        """What belongs to the role has changed: so has its version."""
        role.updated_at = func.now()
        await self.session.flush()
        return await self.read_again(role)

    async def mark_deleted(self, role: Role) -> None:
        """The role counts no more, from now by the database's clock."""
        role.deleted_at = func.now()
        await self.session.flush()


def _live() -> Select[Role]:
    return (
        select(Role)
        .options(selectinload(Role.permissions), selectinload(Role.parents))
        .where(Role.deleted_at.is_(None))
    )


def _found(role: Role | None) -> Role:
    if role is None:
        raise NotFound("There is no such role.")
    return role
