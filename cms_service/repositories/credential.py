"""The credentials of service accounts, as they are presented."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, LargeBinary, Uuid, bindparam, exists, func, or_, select, update

from cms_service.core.database import FastLane, Question, Statement
from cms_service.models import ApiKey, RevokedToken, ServiceAccount

USE_INTERVAL_SECONDS = 60
"""How often, at the most, the use of a key is written down."""


class LiveApiKey(msgspec.Struct, frozen=True):
    """A key that counts, as its account does."""

    id: UUID
    service_account_id: UUID
    narrowed_to: frozenset[str] | None
    created_at: datetime
    expires_at: datetime
    now: datetime
    """By the database's clock."""


_LIVE = (
    select(
        ApiKey.id,
        ApiKey.service_account_id,
        ApiKey.permissions,
        ApiKey.created_at,
        ApiKey.expires_at,
        func.now().label("now"),
    )
    .join(ServiceAccount, ServiceAccount.id == ApiKey.service_account_id)
    .where(
        ApiKey.revoked_at.is_(None),
        ApiKey.expires_at > func.now(),
        ServiceAccount.is_active,
        ServiceAccount.deleted_at.is_(None),
    )
)
_BY_DIGEST = Question(_LIVE.where(ApiKey.digest == bindparam("digest", type_=LargeBinary)))
_OF_TOKEN = Question(
    _LIVE.where(
        ApiKey.id == bindparam("api_key_id", type_=Uuid),
        ~exists().where(RevokedToken.jti == bindparam("token_id", type_=Uuid)),
    )
)
_RECENTLY = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, USE_INTERVAL_SECONDS)
_USED = Statement(
    update(ApiKey)
    .where(
        ApiKey.id == func.any(bindparam("api_key_ids", type_=ARRAY(Uuid))),
        or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < _RECENTLY),
    )
    # Being used changes nothing about a key.
    .values(last_used_at=func.now(), updated_at=ApiKey.updated_at)
    .returning(ApiKey.id)
)


class CredentialRepository:
    """Reads outside any unit of work, since a caller is known before its request begins."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def find_key(self, digest: bytes) -> LiveApiKey | None:
        """The key with this digest, if it counts."""
        return _read(await self._lane.ask(_BY_DIGEST, digest=digest))

    async def find_key_of_token(self, api_key_id: UUID, token_id: UUID) -> LiveApiKey | None:
        """The key that was exchanged for the token, if both count."""
        return _read(await self._lane.ask(_OF_TOKEN, api_key_id=api_key_id, token_id=token_id))

    async def mark_used(self, api_key_ids: Collection[UUID]) -> None:
        """The keys were used just now; what was written down a short time ago stays."""
        await self._lane.fetch_row(_USED, api_key_ids=list(api_key_ids))


_MEMBERS = [name for name in LiveApiKey.__struct_fields__ if name != "narrowed_to"]


def _read(row: Any) -> LiveApiKey | None:
    if row is None:
        return None
    members = {name: row[name] for name in _MEMBERS}
    names = row["permissions"]
    return LiveApiKey(**members, narrowed_to=None if names is None else frozenset(names))
