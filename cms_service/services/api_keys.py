"""Keys of service accounts."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from cms_service.core.config import LONGEST_API_KEY_DAYS
from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import Entropy
from cms_service.core.exceptions import Conflict, ValidationFailed, Violation
from cms_service.core.security import (
    API_KEY_SECRET_BYTES,
    Actor,
    CursorCodec,
    SubjectType,
    digest_of_api_key,
    write_api_key,
)
from cms_service.models import ApiKey
from cms_service.repositories import ApiKeyRepository, ServiceAccountRepository
from cms_service.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyRead, ListQuery, Page
from cms_service.services._listing import Listing
from cms_service.services._machines import read_api_key
from cms_service.services.access_policy import AccessPolicy
from cms_service.services.audit_trail import AuditTrail


class ApiKeyRevocation:
    """Takes keys back, and with them the tokens that they were exchanged for."""

    def __init__(self, work: UnitOfWork, actor: Actor) -> None:
        self._keys = ApiKeyRepository(session=work.session, wrap_exceptions=False)
        self._audit = AuditTrail(work, actor)

    async def revoke_one(self, account_id: UUID, key_id: UUID) -> None:
        """Repeating it changes nothing."""
        await self._revoke(account_id, key_id)

    async def revoke_all(self, account_id: UUID) -> None:
        await self._revoke(account_id, None)

    async def _revoke(self, account_id: UUID, key_id: UUID | None) -> None:
        keys = await self._keys.lock_unrevoked(account_id, key_id)
        befores = [read_api_key(key) for key in keys]
        await self._keys.revoke(keys)
        for key, before in zip(keys, befores, strict=True):
            self._audit.record("api_key.revoked", "api_key", key.id, before=before, after=read_api_key(key))


class ApiKeyService:
    """Gives keys to service accounts and takes them back. An account may have several: one follows another."""

    def __init__(
        self, work: UnitOfWork, actor: Actor, cursors: CursorCodec, entropy: Entropy, default_days: int
    ) -> None:
        self._actor = actor
        self._cursors = cursors
        self._entropy = entropy
        self._default_lifetime = timedelta(days=default_days)
        self._accounts = ServiceAccountRepository(session=work.session, wrap_exceptions=False)
        self._keys = ApiKeyRepository(session=work.session, wrap_exceptions=False)
        self._revocation = ApiKeyRevocation(work, actor)
        self._policy = AccessPolicy(work, actor)
        self._audit = AuditTrail(work, actor)

    async def list_keys(self, account_id: UUID, query: ListQuery) -> Page[ApiKeyRead]:
        """The youngest first, dead ones too. Raises NotFound."""
        await self._accounts.get_live(account_id)
        listing = Listing(self._cursors, f"service-accounts/{account_id}/keys")
        return listing.page(await self._keys.slice(account_id, listing.window(query)), read_api_key)

    async def get_key(self, account_id: UUID, key_id: UUID) -> ApiKeyRead:
        """Raises NotFound."""
        await self._accounts.get_live(account_id)
        return read_api_key(await self._keys.get_of(account_id, key_id))

    async def create_key(self, account_id: UUID, data: ApiKeyCreate) -> ApiKeyCreated:
        """A new key, which is stored as a digest.

        Raises:
            NotFound: there is no such account.
            ValidationFailed: a permission does not exist, or the key would end too soon or too late.
            EscalationRefused: the account can do more than the actor.
            Conflict: the account is not active.
        """
        account = await self._accounts.lock_live(account_id)
        await self._policy.refuse_power_over(account_id, SubjectType.service)
        if not account.is_active:
            raise Conflict("The service account is not active.")
        now = await self._keys.now()
        names = sorted(set(data.permissions)) if data.permissions is not None else None
        if violations := [*await self._unknown(data.permissions or []), *_misplaced(data.expires_at, now)]:
            raise ValidationFailed(*violations)
        text = write_api_key(self._entropy.token_bytes(API_KEY_SECRET_BYTES))
        key = ApiKey(
            service_account_id=account_id,
            name=data.name,
            digest=digest_of_api_key(text),
            permissions=names,
            expires_at=data.expires_at or now + self._default_lifetime,
            created_by=self._actor.subject_id,
        )
        await self._keys.add(key, auto_refresh=False)
        shown = read_api_key(key)
        self._audit.record("api_key.created", "api_key", key.id, after=shown)
        return ApiKeyCreated(**msgspec.structs.asdict(shown), key=text)

    async def revoke_key(self, account_id: UUID, key_id: UUID) -> None:
        """The key, and every token that it was exchanged for, counts no more. Repeating it changes nothing.

        Raises:
            NotFound: there is no such account or key.
            EscalationRefused: the account can do more than the actor.
        """
        await self._accounts.lock_live(account_id)
        await self._keys.get_of(account_id, key_id)
        await self._policy.refuse_power_over(account_id, SubjectType.service)
        await self._revocation.revoke_one(account_id, key_id)

    async def _unknown(self, names: list[str]) -> list[Violation]:
        known = await self._keys.known_permissions(names) if names else set()
        return [
            Violation(f"/permissions/{index}", "not_found", "There is no such permission.")
            for index, name in enumerate(names)
            if name not in known
        ]


def _misplaced(expires_at: datetime | None, now: datetime) -> list[Violation]:
    if expires_at is None or now < expires_at <= now + timedelta(days=LONGEST_API_KEY_DAYS):
        return []
    detail = f"It must be after now, and no more than {LONGEST_API_KEY_DAYS} days from now."
    return [Violation("/expires_at", "out_of_range", detail)]
