"""Roles of service accounts."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound, ValidationFailed, Violation
from cms_service.core.security import Actor, SubjectType
from cms_service.models import ServiceAccount, ServiceAccountRole
from cms_service.repositories import AccessRepository, RoleRepository, ServiceAccountRepository
from cms_service.schemas import AssignedRole, Page, RoleAssignment, RoleAssignmentsReplace, RoleAssignmentTerms
from cms_service.services._assigning import AssignmentKey, assignment_violations, is_as, key_of, pointers
from cms_service.services._listing import whole
from cms_service.services._machines import read_service_account
from cms_service.services._reading import read_assignment
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition


class ServiceAccountRoleService:
    """Gives roles to service accounts and takes them back. An account has a role at most once in each scope."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._work = work
        self._actor = actor
        self._access = AccessRepository(work)
        self._accounts = ServiceAccountRepository(session=work.session, wrap_exceptions=False)
        self._roles = RoleRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_assignments(self, account_id: UUID) -> Page[AssignedRole]:
        """Every assignment, whether its window is open or not. Raises NotFound."""
        await self._accounts.get_live(account_id)
        return await self._read(account_id)

    async def replace_assignments(
        self, account_id: UUID, data: RoleAssignmentsReplace, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The account has exactly these assignments.

        Raises:
            NotFound: there is no such account.
            ValidationFailed: a role does not exist, stands twice in one scope, or a window is empty.
            EscalationRefused: the account, or a new or changed assignment, can do more than the actor.
        """
        account = await self._lock(account_id, precondition)
        present = await self._present(account_id)
        await self._put(account, data.assignments, present, pointers(len(data.assignments)))
        wanted = {(item.role_id, item.scope) for item in data.assignments}
        await self._remove(account, [row for key, row in present.items() if key not in wanted])
        await self._accounts.touch(account)
        return await self._read(account_id)

    async def assign_role(
        self, account_id: UUID, role_id: UUID, terms: RoleAssignmentTerms | None, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The account has the role in the scope, on these terms. Repeating it changes nothing.

        Raises:
            NotFound: there is no such account or role.
            ValidationFailed: the window is empty, or the body names another role.
            EscalationRefused: the account or the role can do more than the actor.
        """
        terms = terms or RoleAssignmentTerms()
        if terms.role_id is not UNSET and terms.role_id != role_id:
            raise ValidationFailed(Violation("/role_id", "mismatch", "The path names another role."))
        item = RoleAssignment(role_id, terms.scope, terms.not_before, terms.expires_at, terms.reason)
        await self._roles.get_live(role_id)
        account = await self._lock(account_id, precondition)
        if await self._put(account, [item], await self._present(account_id), [""]):
            await self._accounts.touch(account)
        return await self._read(account_id)

    async def withdraw_role(
        self, account_id: UUID, role_id: UUID, scope: str | None, precondition: Precondition
    ) -> None:
        """The account no longer has the role in the scope (None: the assignment without a scope).

        Raises:
            NotFound: there is no such account or assignment.
            EscalationRefused: the account can do more than the actor.
        """
        account = await self._lock(account_id, precondition)
        row = (await self._present(account_id)).get((role_id, scope))
        if row is None:
            raise NotFound("The service account does not have this role in this scope.")
        await self._remove(account, [row])
        await self._accounts.touch(account)

    async def _lock(self, account_id: UUID, precondition: Precondition) -> ServiceAccount:
        # What roles amount to stays as it is while they are given. All administrators are people: none is taken away.
        await self._access.lock_withdrawals(is_shared=True)
        account = await self._accounts.lock_live(account_id)
        precondition.check(read_service_account(account))
        await self._policy.refuse_power_over(account_id, SubjectType.service)
        return account

    async def _present(self, account_id: UUID) -> dict[AssignmentKey, ServiceAccountRole]:
        return {key_of(row): row for row in await self._assignments(account_id)}

    async def _put(
        self,
        account: ServiceAccount,
        items: Sequence[RoleAssignment],
        present: Mapping[AssignmentKey, ServiceAccountRole],
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
            row = row or ServiceAccountRole(service_account_id=account.id, role_id=item.role_id, scope=item.scope)
            row.not_before, row.expires_at, row.reason = item.not_before, item.expires_at, item.reason
            self._access.put_assignment(row, self._actor.subject_id)
            rows.append(row)
        await self._work.session.flush()
        for before, row in zip(befores, rows, strict=True):
            after = read_assignment(row, roles[row.role_id])
            self._audit.record(
                "service_account.role_assigned", "service_account", account.id, before=before, after=after
            )
        return bool(changed)

    async def _remove(self, account: ServiceAccount, rows: list[ServiceAccountRole]) -> None:
        await self._access.remove_assignments(ServiceAccountRole, [row.id for row in rows])
        for row in rows:
            before = read_assignment(row, row.role)
            self._audit.record("service_account.role_withdrawn", "service_account", account.id, before=before)

    async def _read(self, account_id: UUID) -> Page[AssignedRole]:
        return whole([read_assignment(row, row.role) for row in await self._assignments(account_id)])

    async def _assignments(self, account_id: UUID) -> Sequence[ServiceAccountRole]:
        return await self._access.assignments_of(ServiceAccountRole, account_id)
