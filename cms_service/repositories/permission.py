"""Permissions."""

from collections.abc import Collection
from typing import ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import func, or_, select, update

from cms_service.core.database import Ordering, Slice, Window, escape_like, fetch_slice
from cms_service.core.exceptions import NotFound
from cms_service.models import Permission, Role, RolePermission


class PermissionRepository(SQLAlchemyAsyncRepository[Permission]):
    """Names of what may be done."""

    model_type = Permission

    ORDERINGS: ClassVar[dict[str, Ordering]] = {
        "name": Ordering(Permission.name, Permission.id),
        "name_desc": Ordering(Permission.name, Permission.id, is_descending=True),
        "created_at": Ordering(Permission.created_at, Permission.id),
        "created_at_desc": Ordering(Permission.created_at, Permission.id, is_descending=True),
    }

    async def get_existing(self, permission_id: UUID) -> Permission:
        """Raises NotFound."""
        return _found(await self.session.get(Permission, permission_id))

    async def lock_existing(self, permission_id: UUID) -> Permission:
        """The permission as it is now, which nobody else changes before this transaction ends. Raises NotFound."""
        statement = select(Permission).where(Permission.id == permission_id).with_for_update(key_share=True)
        return _found(await self.session.scalar(statement.execution_options(populate_existing=True)))

    async def find_many(self, permission_ids: Collection[UUID]) -> dict[UUID, Permission]:
        """Those of `permission_ids` that exist."""
        statement = select(Permission).where(Permission.id.in_(permission_ids))
        return {permission.id: permission for permission in await self.session.scalars(statement)}

    async def remove(self, permission: Permission) -> None:
        """The permission and its grants are gone; the live roles that held it have changed."""
        holders = select(RolePermission.role_id).where(RolePermission.permission_id == permission.id)
        await self.session.execute(
            update(Role)
            .where(Role.id.in_(holders), Role.deleted_at.is_(None))
            .values(version=Role.version + 1, updated_at=func.now())
            .execution_options(synchronize_session=False)
        )
        await self.session.delete(permission)
        await self.session.flush()

    async def slice(self, sort: str, window: Window, *, q: str | None = None, is_system: bool | None = None) -> Slice:
        """Part of the permissions that pass every filter given. `q` is looked for in names and descriptions."""
        statement = select(Permission)
        if q is not None:
            pattern = f"%{escape_like(q)}%"
            statement = statement.where(
                or_(Permission.name.ilike(pattern, escape="\\"), Permission.description.ilike(pattern, escape="\\"))
            )
        if is_system is not None:
            statement = statement.where(Permission.is_system == is_system)
        return await fetch_slice(self.session, statement, self.ORDERINGS[sort], window)


def _found(permission: Permission | None) -> Permission:
    if permission is None:
        raise NotFound("There is no such permission.")
    return permission
