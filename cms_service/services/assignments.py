"""Roles of users."""

from collections.abc import Iterable
from uuid import UUID

from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, ValidationFailed, Violation
from cms_service.core.security import Actor, Grant
from cms_service.models import User, UserRole
from cms_service.repositories import AccessRepository, RoleRepository, UserRepository
from cms_service.schemas import (
    AssignedRole,
    EffectivePermission,
    Page,
    RoleAssignment,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
)
from cms_service.services._listing import whole
from cms_service.services._reading import read_assignment, read_user, refer_to_permission
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition

Key = tuple[UUID, str | None]


class AssignmentService:
    """Gives roles to users and takes them back. A user has a role at most once in each scope."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._actor = actor
        self._access = AccessRepository(work)
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_assignments(self, user_id: UUID) -> Page[AssignedRole]:
        """Every assignment, whether its window is open or not. Raises NotFound."""
        await self._users.get_live(user_id)
        return whole(await self._read_assignments(user_id))

    async def list_effective_permissions(self, user_id: UUID) -> Page[EffectivePermission]:
        """What the user holds at this moment, with every assignment that gives it. Raises NotFound."""
        await self._users.get_live(user_id)
        effective: dict[Key, EffectivePermission] = {}
        for permission, assignment, role in await self._access.sources_of_user(user_id):
            item = effective.setdefault(
                (permission.id, assignment.scope),
                EffectivePermission(refer_to_permission(permission), assignment.scope, []),
            )
            item.sources.append(read_assignment(assignment, role))
        return whole(list(effective.values()))

    async def replace_assignments(
        self, user_id: UUID, data: RoleAssignmentsReplace, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The user has exactly these assignments.

        Raises:
            NotFound: there is no such user.
            ValidationFailed: a role does not exist, stands twice in one scope, or a window is empty.
            EscalationRefused: a new or changed assignment gives what the actor does not hold.
            LastAdministrator: nobody active would hold everything.
        """
        _refuse_duplicates(data.assignments)
        async with self._policy.withdrawal():
            user = await self._lock(user_id, precondition)
            present = {_key_of(row): row for row in await self._access.assignments_of_user(user_id)}
            wanted = {(item.role_id, item.scope): item for item in data.assignments}
            # What the actor gives comes first: its own roles may be among those that go.
            for index, item in enumerate(data.assignments):
                await self._put(user, item, present.get((item.role_id, item.scope)), f"/assignments/{index}")
            await self._remove(user, [row for key, row in present.items() if key not in wanted])
            await self._users.touch(user)
        return whole(await self._read_assignments(user_id))

    async def assign_role(
        self, user_id: UUID, role_id: UUID, terms: RoleAssignmentTerms | None, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The user has the role in the scope, on these terms. Repeating it changes nothing.

        Raises:
            NotFound: there is no such user or role.
            ValidationFailed: the window is empty, or the body names another role.
            EscalationRefused: the role gives what the actor does not hold.
            LastAdministrator: the terms put an end to the last one.
        """
        terms = terms or RoleAssignmentTerms()
        if terms.role_id is not UNSET and terms.role_id != role_id:
            raise ValidationFailed(Violation("/role_id", "mismatch", "The path names another role."))
        item = RoleAssignment(role_id, terms.scope, terms.not_before, terms.expires_at, terms.reason)
        await self._roles.get_live(role_id)
        async with self._policy.withdrawal():
            user = await self._lock(user_id, precondition)
            rows = await self._access.assignments_of_user(user_id)
            present = next((row for row in rows if _key_of(row) == (role_id, item.scope)), None)
            if await self._put(user, item, present, ""):
                await self._users.touch(user)
        return whole(await self._read_assignments(user_id))

    async def withdraw_role(self, user_id: UUID, role_id: UUID, scope: str | None, precondition: Precondition) -> None:
        """The user no longer has the role in the scope (None: the assignment without a scope).

        Raises:
            NotFound: there is no such user or assignment.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal():
            user = await self._lock(user_id, precondition)
            rows = await self._access.assignments_of_user(user_id)
            withdrawn = [row for row in rows if _key_of(row) == (role_id, scope)]
            if not withdrawn:
                raise NotFound("The user does not have this role in this scope.")
            await self._remove(user, withdrawn)
            await self._users.touch(user)

    async def _lock(self, user_id: UUID, precondition: Precondition) -> User:
        user = await self._users.lock_live(user_id)
        precondition.check(read_user(user))
        return user

    async def _put(self, user: User, item: RoleAssignment, present: UserRole | None, pointer: str) -> bool:
        """The assignment is as `item` says. False if it was so already."""
        if item.not_before and item.expires_at and item.expires_at <= item.not_before:
            raise ValidationFailed(Violation(f"{pointer}/expires_at", "empty_window", "It ends before it begins."))
        role = (await self._roles.find_many([item.role_id])).get(item.role_id)
        if role is None:
            raise ValidationFailed(Violation(f"{pointer}/role_id", "not_found", "There is no such role."))
        terms = {"not_before": item.not_before, "expires_at": item.expires_at, "reason": item.reason}
        if present is not None and all(getattr(present, name) == value for name, value in terms.items()):
            return False
        await self._policy.refuse_escalation(Grant(permission.name, item.scope) for permission in role.permissions)
        before = None if present is None else read_assignment(present, role)
        row = await self._access.put_assignment(present, user, role, item.scope, self._actor.user_id, terms)
        await self._audit.record("user.role_assigned", "user", user.id, before=before, after=read_assignment(row, role))
        return True

    async def _remove(self, user: User, rows: list[UserRole]) -> None:
        await self._access.remove_assignments([row.id for row in rows])
        for row in rows:
            await self._audit.record("user.role_withdrawn", "user", user.id, before=read_assignment(row, row.role))

    async def _read_assignments(self, user_id: UUID) -> list[AssignedRole]:
        return [read_assignment(row, row.role) for row in await self._access.assignments_of_user(user_id)]


def _key_of(row: UserRole) -> Key:
    return row.role_id, row.scope


def _refuse_duplicates(items: Iterable[RoleAssignment]) -> None:
    seen: set[Key] = set()
    violations = []
    for index, item in enumerate(items):
        key = (item.role_id, item.scope)
        if key in seen:
            violations.append(
                Violation(f"/assignments/{index}", "duplicate", "The role stands here twice in the same scope.")
            )
        seen.add(key)
    if violations:
        raise ValidationFailed(*violations)
