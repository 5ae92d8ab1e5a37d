"""Roles of users."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, PreconditionFailed, ValidationFailed, Violation
from cms_service.core.security import Actor
from cms_service.models import User, UserRole
from cms_service.repositories import AccessRepository, RoleGraphRepository, RoleRepository, UserRepository
from cms_service.schemas import (
    AssignedRole,
    EffectivePermission,
    Page,
    RoleAssignment,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
)
from cms_service.services._assigning import AssignmentKey, assignment_violations, is_as, key_of, pointers
from cms_service.services._lineage import Lineage
from cms_service.services._listing import whole
from cms_service.services._reading import read_assignment, read_source, read_user, refer_to_permission
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition


class AssignmentService:
    """Gives roles to users and takes them back. A user has a role at most once in each scope."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._work = work
        self._actor = actor
        self._access = AccessRepository(work)
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._graph = RoleGraphRepository(work)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_assignments(self, user_id: UUID) -> Page[AssignedRole]:
        """Every assignment, whether its window is open or not. Raises NotFound."""
        await self._users.get_live(user_id)
        return whole(await self._read_assignments(user_id))

    async def list_effective_permissions(self, user_id: UUID) -> Page[EffectivePermission]:
        """What the user holds at this moment, with every way on which it comes. Raises NotFound."""
        await self._users.get_live(user_id)
        sources = await self._access.sources_of(UserRole, user_id)
        role_ids = {role.id for _, _, role, _ in sources}
        parents = await self._graph.links_above(role_ids)
        lineages = {role_id: Lineage(role_id, parents) for role_id in role_ids}
        effective: dict[tuple[UUID, str | None], EffectivePermission] = {}
        for permission, assignment, role, holder in sources:
            item = effective.setdefault(
                (permission.id, assignment.scope),
                EffectivePermission(refer_to_permission(permission), assignment.scope, []),
            )
            item.sources.append(read_source(assignment, role, lineages[role.id].way_to(holder.id)))
        return whole(list(effective.values()))

    async def replace_assignments(
        self, user_id: UUID, data: RoleAssignmentsReplace, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The user has exactly these assignments.

        Raises:
            NotFound: there is no such user.
            ValidationFailed: a role does not exist, stands twice in one scope, or a window is empty.
            EscalationRefused: a new or changed assignment gives what the actor does not hold, or for longer.
            LastAdministrator: nobody active would hold everything.
        """
        rows = await self._access.assignments_of(UserRole, user_id)
        concerned = {row.role_id for row in rows} | {item.role_id for item in data.assignments}
        async with self._policy.withdrawal_of_roles(concerned):
            user = await self._lock(user_id, precondition)
            present = {key_of(row): row for row in await self._access.assignments_of(UserRole, user_id)}
            if not concerned.issuperset(role_id for role_id, _ in present):
                raise PreconditionFailed
            # What the actor gives comes first: its own roles may be among those that go.
            await self._put(user, data.assignments, present, places=pointers(len(data.assignments)))
            wanted = {(item.role_id, item.scope) for item in data.assignments}
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
            EscalationRefused: the role gives what the actor does not hold, or for longer.
            LastAdministrator: the terms put an end to the last one.
        """
        terms = terms or RoleAssignmentTerms()
        if terms.role_id is not UNSET and terms.role_id != role_id:
            raise ValidationFailed(Violation("/role_id", "mismatch", "The path names another role."))
        item = RoleAssignment(role_id, terms.scope, terms.not_before, terms.expires_at, terms.reason)
        await self._roles.get_live(role_id)
        async with self._policy.withdrawal_of_roles([role_id]):
            user = await self._lock(user_id, precondition)
            present = {key_of(row): row for row in await self._access.assignments_of(UserRole, user_id)}
            if await self._put(user, [item], present, places=[""]):
                await self._users.touch(user)
        return whole(await self._read_assignments(user_id))

    async def withdraw_role(self, user_id: UUID, role_id: UUID, scope: str | None, precondition: Precondition) -> None:
        """The user no longer has the role in the scope (None: the assignment without a scope).

        Raises:
            NotFound: there is no such user or assignment.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal_of_roles([role_id]):
            user = await self._lock(user_id, precondition)
            rows = await self._access.assignments_of(UserRole, user_id)
            withdrawn = [row for row in rows if key_of(row) == (role_id, scope)]
            if not withdrawn:
                raise NotFound("The user does not have this role in this scope.")
            await self._remove(user, withdrawn)
            await self._users.touch(user)

    async def _lock(self, user_id: UUID, precondition: Precondition) -> User:
        user = await self._users.lock_live(user_id)
        precondition.check(read_user(user))
        return user

    async def _put(
        self,
        user: User,
        items: Sequence[RoleAssignment],
        present: Mapping[AssignmentKey, UserRole],
        *,
        places: Sequence[str],
    ) -> bool:
        """The assignments are as `items` say. False if they were so already."""
        roles = await self._roles.find_many({item.role_id for item in items})
        if violations := list(assignment_violations(items, roles, places)):
            raise ValidationFailed(*violations)
        changed = [item for item in items if not is_as(present.get((item.role_id, item.scope)), item)]
        await self._policy.refuse_assignments(changed)
        befores, rows = [], []
        for item in changed:
            row = present.get((item.role_id, item.scope))
            befores.append(None if row is None else read_assignment(row, roles[item.role_id]))
            row = row or UserRole(user_id=user.id, role_id=item.role_id, scope=item.scope)
            row.not_before, row.expires_at, row.reason = item.not_before, item.expires_at, item.reason
            self._access.put_assignment(row, self._actor.subject_id)
            rows.append(row)
        await self._work.session.flush()
        for before, row in zip(befores, rows, strict=True):
            after = read_assignment(row, roles[row.role_id])
            self._audit.record("user.role_assigned", "user", user.id, before=before, after=after)
        return bool(changed)

    async def _remove(self, user: User, rows: list[UserRole]) -> None:
        await self._access.remove_assignments(UserRole, [row.id for row in rows])
        for row in rows:
            self._audit.record("user.role_withdrawn", "user", user.id, before=read_assignment(row, row.role))

    async def _read_assignments(self, user_id: UUID) -> list[AssignedRole]:
        return [read_assignment(row, row.role) for row in await self._access.assignments_of(UserRole, user_id)]
