"""Roles."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, SystemProtected, ValidationFailed
from cms_service.core.security import EVERYTHING, Actor, CursorCodec, Grant
from cms_service.models import Permission, Role
from cms_service.repositories import PermissionRepository, RoleGraphRepository, RoleRepository
from cms_service.schemas import (
    Page,
    PermissionRef,
    RoleCreate,
    RolePermissionsReplace,
    RoleQuery,
    RoleRead,
    RoleUpdate,
)
from cms_service.services._listing import Listing, whole
from cms_service.services._reading import read_role
from cms_service.services._references import missing_permissions, missing_roles
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition


class RoleService(SQLAlchemyAsyncRepositoryService[Role, RoleRepository]):
    """Named sets of permissions: made, changed and deleted, and what they hold."""

    repository_type = RoleRepository

    def __init__(self, work: UnitOfWork, actor: Actor, cursors: CursorCodec) -> None:
        super().__init__(session=work.session, wrap_exceptions=False)
        self._work = work
        self._actor = actor
        self._cursors = cursors
        self._permissions = PermissionRepository(session=work.session, wrap_exceptions=False)
        self._graph = RoleGraphRepository(work)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_roles(self, query: RoleQuery) -> Page[RoleRead]:
        listing = Listing(self._cursors, f"roles/{query.sort.value}")
        part = await self.repository.slice(
            query.sort.value,
            listing.window(query),
            q=query.q,
            is_system=query.is_system,
            permission=query.permission,
        )
        return listing.page(part, read_role)

    async def get_role(self, role_id: UUID) -> RoleRead:
        """Raises NotFound."""
        return read_role(await self.repository.get_live(role_id))

    async def list_permissions(self, role_id: UUID) -> Page[PermissionRef]:
        """What the role holds. Raises NotFound."""
        return whole((await self.get_role(role_id)).permissions)

    async def create_role(self, data: RoleCreate) -> RoleRead:
        """A new role with these permissions, which inherits these roles.

        Raises:
            NameTaken: a live role has the name.
            ValidationFailed: a permission or a parent does not exist.
            EscalationRefused: the actor does not hold everywhere and for ever what the role gives.
        """
        permissions = await self._permissions.find_many(data.permission_ids)
        parents = await self.repository.find_many(data.parent_ids)
        violations = [
            *missing_permissions(data.permission_ids, permissions, "/permission_ids"),
            *missing_roles(data.parent_ids, parents, "/parent_ids"),
        ]
        if violations:
            raise ValidationFailed(*violations)
        await self._policy.refuse_escalation(Grant(permission.name) for permission in permissions.values())
        await self._policy.refuse_inheritance(parents)
        role = Role(name=data.name, title=data.title, description=data.description)
        await self.repository.add(role, auto_refresh=False)
        await self.repository.grant(role.id, permissions, self._actor.subject_id)
        await self._graph.link(role.id, parents, self._actor.subject_id)
        created = read_role(await self.repository.read_again(role))
        self._audit.record("role.created", "role", role.id, after=created)
        return created

    async def update_role(self, role_id: UUID, data: RoleUpdate, precondition: Precondition) -> RoleRead:
        """The role is as `data` says.

        Raises:
            SystemProtected: a system role would change its name.
            NameTaken: a live role has the name.
        """
        role = await self.repository.lock_live(role_id)
        before = read_role(role)
        precondition.check(before)
        changes: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET
        }
        if role.is_system and changes.get("name", role.name) != role.name:
            raise SystemProtected("A system role keeps its name.")
        for name, value in changes.items():
            setattr(role, name, value)
        await self._work.session.flush()
        after = read_role(role)
        if after != before:
            self._audit.record("role.updated", "role", role_id, before=before, after=after)
        return after

    async def delete_role(self, role_id: UUID, precondition: Precondition) -> None:
        """The role is gone, nobody has it any more, and no role inherits it.

        Raises:
            SystemProtected: it is a system role.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal():
            role = await self.repository.lock_live(role_id)
            before = read_role(role)
            precondition.check(before)
            if role.is_system:
                raise SystemProtected("A system role is not deleted.")
            await self.repository.mark_deleted(role)
            await self._graph.isolate(role_id)
        self._audit.record("role.deleted", "role", role_id, before=before)

    async def replace_permissions(
        self, role_id: UUID, data: RolePermissionsReplace, precondition: Precondition
    ) -> RoleRead:
        """The role holds exactly these permissions.

        Raises:
            ValidationFailed: a permission does not exist.
            EscalationRefused: the actor does not hold one that is added, everywhere and for ever.
            SystemProtected: it is the administrator, who holds everything.
            LastAdministrator: nobody active would hold everything.
        """
        found = await self._permissions.find_many(data.permission_ids)
        if violations := missing_permissions(data.permission_ids, found, "/permission_ids"):
            raise ValidationFailed(*violations)
        return await self._set_permissions(role_id, lambda _: set(found.values()), precondition)

    async def grant_permission(self, role_id: UUID, permission_id: UUID, precondition: Precondition) -> RoleRead:
        """The role holds this permission too. Repeating it changes nothing.

        Raises:
            NotFound: there is no such role or permission.
            EscalationRefused: the actor does not hold it.
        """
        permission = await self._permissions.get_existing(permission_id)
        return await self._set_permissions(role_id, lambda held: held | {permission}, precondition)

    async def withdraw_permission(self, role_id: UUID, permission_id: UUID, precondition: Precondition) -> RoleRead:
        """The role no longer holds this permission.

        Raises:
            NotFound: there is no such role, or it does not hold the permission.
            SystemProtected: it is the administrator, who holds everything.
            LastAdministrator: nobody active would hold everything.
        """
        permission = await self._permissions.get_existing(permission_id)

        def without(held: set[Permission]) -> set[Permission]:
            if permission not in held:
                raise NotFound("The role does not hold this permission.")
            return held - {permission}

        return await self._set_permissions(role_id, without, precondition)

    async def _set_permissions(
        self, role_id: UUID, choose: Callable[[set[Permission]], set[Permission]], precondition: Precondition
    ) -> RoleRead:
        async with self._policy.withdrawal():
            role = await self.repository.lock_live(role_id)
            before = read_role(role)
            precondition.check(before)
            wanted = choose(role.permissions)
            added, removed = wanted - role.permissions, role.permissions - wanted
            if not added and not removed:
                return before
            if role.is_system and EVERYTHING in {permission.name for permission in role.permissions}:
                raise SystemProtected("The administrator holds everything, and that stays.")
            await self._policy.refuse_escalation(Grant(permission.name) for permission in added)
            await self.repository.grant(role_id, _ids(added), self._actor.subject_id)
            await self.repository.withdraw(role_id, _ids(removed))
            after = read_role(await self.repository.touch(role))
        self._audit.record("role.permissions_changed", "role", role_id, before=before, after=after)
        return after


def _ids(permissions: Iterable[Permission]) -> list[UUID]:
    return [permission.id for permission in permissions]
