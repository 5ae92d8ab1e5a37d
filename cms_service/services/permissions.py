"""Permissions."""

from uuid import UUID

from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import SystemProtected
from cms_service.core.security import Actor, CursorCodec
from cms_service.models import Permission
from cms_service.repositories import PermissionRepository, RoleRepository
from cms_service.schemas import (
    ListQuery,
    Page,
    PermissionCreate,
    PermissionQuery,
    PermissionRead,
    PermissionUpdate,
    RoleRef,
)
from cms_service.services._listing import Listing
from cms_service.services._reading import read_permission, refer_to_role
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition


class PermissionService(SQLAlchemyAsyncRepositoryService[Permission, PermissionRepository]):
    """Names of what may be done: made, described and deleted. A permission gives nothing until a role holds it."""

    repository_type = PermissionRepository

    def __init__(self, work: UnitOfWork, actor: Actor, cursors: CursorCodec) -> None:
        super().__init__(session=work.session, wrap_exceptions=False)
        self._work = work
        self._cursors = cursors
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_permissions(self, query: PermissionQuery) -> Page[PermissionRead]:
        listing = Listing(self._cursors, f"permissions/{query.sort.value}")
        part = await self.repository.slice(
            query.sort.value, listing.window(query), q=query.q, is_system=query.is_system
        )
        return listing.page(part, read_permission)

    async def get_permission(self, permission_id: UUID) -> PermissionRead:
        """Raises NotFound."""
        return read_permission(await self.repository.get_existing(permission_id))

    async def list_roles(self, permission_id: UUID, query: ListQuery) -> Page[RoleRef]:
        """Which roles hold the permission themselves. Raises NotFound."""
        await self.repository.get_existing(permission_id)
        listing = Listing(self._cursors, f"permissions/{permission_id}/roles")
        return listing.page(await self._roles.slice_of_permission(permission_id, listing.window(query)), refer_to_role)

    async def create_permission(self, data: PermissionCreate) -> PermissionRead:
        """A new permission, which nobody holds but who holds a wildcard. Raises NameTaken."""
        permission = Permission(name=data.name, description=data.description)
        created = read_permission(await self.repository.add(permission, auto_refresh=False))
        self._audit.record("permission.created", "permission", created.id, after=created)
        return created

    async def update_permission(
        self, permission_id: UUID, data: PermissionUpdate, precondition: Precondition
    ) -> PermissionRead:
        """The permission is described as `data` says. Raises NotFound."""
        permission = await self.repository.lock_existing(permission_id)
        before = read_permission(permission)
        precondition.check(before)
        if data.description is not UNSET:
            permission.description = data.description
        await self._work.session.flush()
        after = read_permission(permission)
        if after != before:
            self._audit.record("permission.updated", "permission", permission_id, before=before, after=after)
        return after

    async def delete_permission(self, permission_id: UUID, precondition: Precondition) -> None:
        """The permission is gone, and no role holds it any more. Raises SystemProtected for the service's own."""
        async with self._policy.withdrawal():
            permission = await self.repository.lock_existing(permission_id)
            before = read_permission(permission)
            precondition.check(before)
            if permission.is_system:
                raise SystemProtected("The service itself relies on this permission.")
            await self.repository.remove(permission)
        self._audit.record("permission.deleted", "permission", permission_id, before=before)
