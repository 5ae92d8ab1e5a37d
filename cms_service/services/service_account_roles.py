"""Roles of service accounts."""

from uuid import UUID

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import NotFound
from cms_service.core.security import Actor, SubjectType
from cms_service.models import ServiceAccount, ServiceAccountRole
from cms_service.repositories import AccessRepository, ServiceAccountRepository
from cms_service.schemas import AssignedRole, Page, RoleAssignmentsReplace, RoleAssignmentTerms
from cms_service.services._assigning import Assigning, left_out
from cms_service.services._listing import whole
from cms_service.services._machines import read_service_account
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.preconditions import Precondition


class ServiceAccountRoleService:
    """Gives roles to service accounts and takes them back. An account has a role at most once in each scope."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._access = AccessRepository(work)
        self._accounts = ServiceAccountRepository(session=work.session, wrap_exceptions=False)
        self._policy = AccessPolicy(work, actor)
        self._assigning = Assigning(ServiceAccountRole, work, actor)

    async def list_assignments(self, account_id: UUID) -> Page[AssignedRole]:
        """Every assignment, whether its window is open or not. Raises NotFound."""
        await self._accounts.get_live(account_id)
        return whole(await self._assigning.read(account_id))

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
        present = await self._assigning.present(account_id)
        await self._assigning.put(account_id, data.assignments, present, is_set=True)
        await self._assigning.remove(account_id, left_out(present, data.assignments))
        await self._accounts.touch(account)
        return whole(await self._assigning.read(account_id))

    async def assign_role(
        self, account_id: UUID, role_id: UUID, terms: RoleAssignmentTerms | None, precondition: Precondition
    ) -> Page[AssignedRole]:
        """The account has the role in the scope, on these terms. Repeating it changes nothing.

        Raises:
            NotFound: there is no such account or role.
            ValidationFailed: the window is empty, or the body names another role.
            EscalationRefused: the account or the role can do more than the actor.
        """
        item = await self._assigning.item_of(role_id, terms)
        account = await self._lock(account_id, precondition)
        present = await self._assigning.present(account_id)
        if await self._assigning.put(account_id, [item], present, is_set=False):
            await self._accounts.touch(account)
        return whole(await self._assigning.read(account_id))

    async def withdraw_role(
        self, account_id: UUID, role_id: UUID, scope: str | None, precondition: Precondition
    ) -> None:
        """The account no longer has the role in the scope (None: the assignment without a scope).

        Raises:
            NotFound: there is no such account or assignment.
            EscalationRefused: the account can do more than the actor.
        """
        account = await self._lock(account_id, precondition)
        row = (await self._assigning.present(account_id)).get((role_id, scope))
        if row is None:
            raise NotFound("The service account does not have this role in this scope.")
        await self._assigning.remove(account_id, [row])
        await self._accounts.touch(account)

    async def _lock(self, account_id: UUID, precondition: Precondition) -> ServiceAccount:
        # What roles amount to stays as it is while they are given. All administrators are people: none is taken away.
        await self._access.lock_withdrawals(is_shared=True)
        account = await self._accounts.lock_live(account_id)
        precondition.check(read_service_account(account))
        await self._policy.refuse_power_over(account_id, SubjectType.service)
        return account
