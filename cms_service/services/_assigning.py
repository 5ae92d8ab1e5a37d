"""Giving roles and taking them back, whoever holds them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import ValidationFailed, Violation
from cms_service.core.security import Actor
from cms_service.models import Assignment, ServiceAccountRole, TargetType, UserRole
from cms_service.repositories import AccessRepository, RoleRepository
from cms_service.schemas import AssignedRole, RoleAssignment, RoleAssignmentTerms
from cms_service.services._reading import read_assignment
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail

A = TypeVar("A", UserRole, ServiceAccountRole)

AssignmentKey = tuple[UUID, str | None]
"""The role and the scope: nobody has the same role twice in one scope."""


_TARGETS: dict[type[Assignment], TargetType] = {UserRole: "user", ServiceAccountRole: "service_account"}
"""As the audit trail names them."""


class Assigning(Generic[A]):
    """The assignments of accounts of one kind, in one unit of work. Locks and versions are the caller's."""

    def __init__(self, kind: type[A], work: UnitOfWork, actor: Actor) -> None:
        self._kind: type[A] = kind
        self._target = _TARGETS[kind]
        self._work = work
        self._actor = actor
        self._access = AccessRepository(work)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def read(self, account_id: UUID) -> list[AssignedRole]:
        """Every assignment, whether its window is open or not."""
        return [read_assignment(row, row.role) for row in await self._access.assignments_of(self._kind, account_id)]

    async def present(self, account_id: UUID) -> dict[AssignmentKey, A]:
        """The same as rows."""
        return {_key_of(row): row for row in await self._access.assignments_of(self._kind, account_id)}

    async def put(
        self, account_id: UUID, items: Sequence[RoleAssignment], present: Mapping[AssignmentKey, A], *, is_set: bool
    ) -> bool:
        """The account has these roles, on these terms. False if that was so already.

        `is_set`: the items stand in the body as members of `assignments`, else they are the body.

        Raises:
            ValidationFailed: a role does not exist, stands twice in one scope, or a window is empty.
            EscalationRefused: a new or changed assignment gives what the actor does not hold, or for longer.
        """
        roles = await self._roles.find_many({item.role_id for item in items})
        places = [f"/assignments/{index}" if is_set else "" for index in range(len(items))]
        if violations := list(_violations(items, roles, places)):
            raise ValidationFailed(*violations)
        changed = [item for item in items if not _is_as(present.get((item.role_id, item.scope)), item)]
        await self._policy.refuse_assignments(changed)
        befores, rows = [], []
        for item in changed:
            row = present.get((item.role_id, item.scope))
            befores.append(None if row is None else read_assignment(row, roles[item.role_id]))
            row = row or self._access.new_assignment(self._kind, account_id, item.role_id, item.scope)
            row.not_before, row.expires_at, row.reason = item.not_before, item.expires_at, item.reason
            self._access.put_assignment(row, self._actor.subject_id)
            rows.append(row)
        await self._work.session.flush()
        for before, row in zip(befores, rows, strict=True):
            after = read_assignment(row, roles[row.role_id])
            self._audit.record(f"{self._target}.role_assigned", self._target, account_id, before=before, after=after)
        return bool(changed)

    async def remove(self, account_id: UUID, rows: Collection[A]) -> None:
        await self._access.remove_assignments(self._kind, [row.id for row in rows])
        for row in rows:
            before = read_assignment(row, row.role)
            self._audit.record(f"{self._target}.role_withdrawn", self._target, account_id, before=before)

    async def item_of(self, role_id: UUID, terms: RoleAssignmentTerms | None) -> RoleAssignment:
        """The assignment that path and body ask for together.

        Raises:
            NotFound: there is no such role.
            ValidationFailed: the body names another role.
        """
        terms = terms or RoleAssignmentTerms()
        if terms.role_id is not UNSET and terms.role_id != role_id:
            raise ValidationFailed(Violation("/role_id", "mismatch", "The path names another role."))
        await self._roles.get_live(role_id)
        return RoleAssignment(role_id, terms.scope, terms.not_before, terms.expires_at, terms.reason)


def left_out(present: Mapping[AssignmentKey, A], items: Sequence[RoleAssignment]) -> list[A]:
    """Those of the present assignments that are not among the items."""
    wanted = {(item.role_id, item.scope) for item in items}
    return [row for key, row in present.items() if key not in wanted]


def _key_of(row: Assignment) -> AssignmentKey:
    return row.role_id, row.scope


def _is_as(row: Assignment | None, item: RoleAssignment) -> bool:
    return row is not None and (row.not_before, row.expires_at, row.reason) == (
        item.not_before,
        item.expires_at,
        item.reason,
    )


def _violations(
    items: Sequence[RoleAssignment], known_roles: Collection[UUID], places: Sequence[str]
) -> Iterator[Violation]:
    seen: set[AssignmentKey] = set()
    for item, pointer in zip(items, places, strict=True):
        if item.role_id not in known_roles:
            yield Violation(f"{pointer}/role_id", "not_found", "There is no such role.")
        if item.not_before and item.expires_at and item.expires_at <= item.not_before:
            yield Violation(f"{pointer}/expires_at", "empty_window", "It ends before it begins.")
        if (item.role_id, item.scope) in seen:
            yield Violation(pointer, "duplicate", "The role stands here twice in the same scope.")
        seen.add((item.role_id, item.scope))
