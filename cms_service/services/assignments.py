"""Roles of users."""

from heapq import nsmallest
from typing import TypeAlias
from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, PreconditionFailed
from cms_service.core.security import Actor
from cms_service.models import Permission, Role, User, UserRole
from cms_service.repositories import AccessRepository, RoleGraphRepository, UserRepository
from cms_service.schemas import (
    AssignedRole,
    EffectivePermission,
    Page,
    RoleAssignmentsReplace,
    RoleAssignmentTerms,
)
from cms_service.services._assigning import Assigning, left_out
from cms_service.services._lineage import Lineage, shortened
from cms_service.services._listing import whole
from cms_service.services._reading import read_source, read_user, refer_to_permission
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.preconditions import Precondition

MOST_SOURCES = 1_000
"""Told in one answer, shared among the permissions: nobody reads more, and there may be very many."""

Row: TypeAlias = tuple[Permission, UserRole, Role, Role]


class AssignmentService:
    """Gives roles to users and takes them back. A user has a role at most once in each scope."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._access = AccessRepository(work)
        self._users = UserRepository(session=work.session, wrap_exceptions=False)
        self._graph = RoleGraphRepository(work)
        self._policy = AccessPolicy(work, actor)
        self._assigning = Assigning(UserRole, work, actor)

    async def list_assignments(self, user_id: UUID) -> Page[AssignedRole]:
        """Every assignment, whether its window is open or not. Raises NotFound."""
        await self._users.get_live(user_id)
        return whole(await self._assigning.read(user_id))

    async def list_effective_permissions(self, user_id: UUID) -> Page[EffectivePermission]:
        """What the user holds at this moment, with the shortest ways on which it comes. Raises NotFound."""
        await self._users.get_live(user_id)
        sources = await self._access.sources_of(UserRole, user_id)
        role_ids = {role.id for _, _, role, _ in sources}
        parents = await self._graph.links_above(role_ids)
        lineages = {role_id: Lineage(parents.get(role_id, ()), parents) for role_id in role_ids}
        grouped: dict[tuple[UUID, str | None], list[Row]] = {}
        for row in sources:
            permission, assignment, _, _ = row
            grouped.setdefault((permission.id, assignment.scope), []).append(row)
        most = max(1, MOST_SOURCES // max(1, len(grouped)))
        effective = []
        for (_, scope), rows in grouped.items():
            nearest = nsmallest(most, rows, key=lambda row: lineages[row[2].id].distance_to(row[3].id))
            told = [
                read_source(assignment, role, shortened(lineages[role.id].way_to(holder.id)))
                for _, assignment, role, holder in nearest
            ]
            effective.append(EffectivePermission(refer_to_permission(rows[0][0]), scope, told))
        return whole(effective)

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
            present = await self._assigning.present(user_id)
            if not concerned.issuperset(role_id for role_id, _ in present):
                raise PreconditionFailed
            # What the actor gives comes first: its own roles may be among those that go.
            await self._assigning.put(user_id, data.assignments, present, is_set=True)
            await self._assigning.remove(user_id, left_out(present, data.assignments))
            await self._users.touch(user)
        return whole(await self._assigning.read(user_id))

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
        item = await self._assigning.item_of(role_id, terms)
        async with self._policy.withdrawal_of_roles([role_id]):
            user = await self._lock(user_id, precondition)
            present = await self._assigning.present(user_id)
            if await self._assigning.put(user_id, [item], present, is_set=False):
                await self._users.touch(user)
        return whole(await self._assigning.read(user_id))

    async def withdraw_role(self, user_id: UUID, role_id: UUID, scope: str | None, precondition: Precondition) -> None:
        """The user no longer has the role in the scope (None: the assignment without a scope).

        Raises:
            NotFound: there is no such user or assignment.
            LastAdministrator: nobody active would hold everything.
        """
        async with self._policy.withdrawal_of_roles([role_id]):
            user = await self._lock(user_id, precondition)
            row = (await self._assigning.present(user_id)).get((role_id, scope))
            if row is None:
                raise NotFound("The user does not have this role in this scope.")
            await self._assigning.remove(user_id, [row])
            await self._users.touch(user)

    async def _lock(self, user_id: UUID, precondition: Precondition) -> User:
        user = await self._users.lock_live(user_id)
        precondition.check(read_user(user))
        return user
