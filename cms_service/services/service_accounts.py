"""Service accounts."""

from typing import Any
from uuid import UUID

import msgspec
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from msgspec import UNSET

from cms_service.core.database import UnitOfWork
from cms_service.core.exceptions import AuthenticationRequired
from cms_service.core.security import Actor, CursorCodec, SubjectType
from cms_service.models import ServiceAccount
from cms_service.repositories import ServiceAccountRepository
from cms_service.schemas import (
    Page,
    ServiceAccountCreate,
    ServiceAccountQuery,
    ServiceAccountRead,
    ServiceAccountUpdate,
)
from cms_service.services._listing import Listing
from cms_service.services._machines import read_service_account
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.api_keys import ApiKeyRevocation
from cms_service.services.audit_trail import AuditTrail
from cms_service.services.preconditions import Precondition


class ServiceAccountService(SQLAlchemyAsyncRepositoryService[ServiceAccount, ServiceAccountRepository]):
    """The identities of machines: made, changed, put to sleep and deleted."""

    repository_type = ServiceAccountRepository

    def __init__(self, work: UnitOfWork, actor: Actor, cursors: CursorCodec) -> None:
        super().__init__(session=work.session, wrap_exceptions=False)
        self._work = work
        self._actor = actor
        self._cursors = cursors
        self._keys = ApiKeyRevocation(work, actor)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_service_accounts(self, query: ServiceAccountQuery) -> Page[ServiceAccountRead]:
        listing = Listing(self._cursors, f"service-accounts/{query.sort.value}")
        window = listing.window(query)
        part = await self.repository.slice(query.sort.value, window, q=query.q, is_active=query.is_active)
        return listing.page(part, read_service_account)

    async def get_service_account(self, account_id: UUID) -> ServiceAccountRead:
        """Raises NotFound."""
        return read_service_account(await self.repository.get_live(account_id))

    async def create_service_account(self, data: ServiceAccountCreate) -> ServiceAccountRead:
        """A new account without roles and keys. Raises NameTaken where a live account has the name."""
        account = ServiceAccount(name=data.name, description=data.description, is_active=data.is_active, roles=set())
        created = read_service_account(await self.repository.add(account, auto_refresh=False))
        self._audit.record("service_account.created", "service_account", created.id, after=created)
        return created

    async def update_service_account(
        self, account_id: UUID, data: ServiceAccountUpdate, precondition: Precondition
    ) -> ServiceAccountRead:
        """The account is as `data` says. Deactivating it revokes its keys, and ends the tokens made with them.

        Raises:
            EscalationRefused: the account can do more than the actor.
            NameTaken: a live account has the name.
        """
        account = await self._lock(account_id, precondition)
        before = read_service_account(account)
        changes: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET
        }
        for name, value in changes.items():
            setattr(account, name, value)
        await self._work.session.flush()
        after = read_service_account(account)
        if after != before:
            self._audit.record("service_account.updated", "service_account", account_id, before=before, after=after)
        if not account.is_active:
            await self._keys.revoke_all(account_id)
        return after

    async def delete_service_account(self, account_id: UUID, precondition: Precondition) -> None:
        """The account is gone, its keys are revoked and its name is free.

        Raises:
            EscalationRefused: the account can do more than the actor.
        """
        account = await self._lock(account_id, precondition)
        before = read_service_account(account)
        await self._keys.revoke_all(account_id)
        await self.repository.mark_deleted(account)
        self._audit.record("service_account.deleted", "service_account", account_id, before=before)

    async def _lock(self, account_id: UUID, precondition: Precondition) -> ServiceAccount:
        account = await self.repository.lock_live(account_id)
        precondition.check(read_service_account(account))
        if account_id == self._actor.subject_id and not account.is_active:
            # Put to sleep while this request was under way: nobody wakes themselves.
            raise AuthenticationRequired
        await self._policy.refuse_power_over(account_id, SubjectType.service)
        return account
