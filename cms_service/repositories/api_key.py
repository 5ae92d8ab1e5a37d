"""Keys of service accounts, as they are looked after."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from cms_service.core.database import Ordering, Slice, Window, fetch_slice
from cms_service.core.exceptions import NotFound
from cms_service.models import ApiKey, Permission, RevokedToken


class ApiKeyRepository(SQLAlchemyAsyncRepository[ApiKey]):
    """Keys, dead and alive, and what was revoked of the tokens that they were exchanged for."""

    model_type = ApiKey

    YOUNGEST_FIRST: ClassVar = Ordering(ApiKey.created_at, ApiKey.id, is_descending=True)

    async def slice(self, account_id: UUID, window: Window) -> Slice:
        """Part of the keys of the account, the youngest first."""
        statement = select(ApiKey).where(ApiKey.service_account_id == account_id)
        return await fetch_slice(self.session, statement, self.YOUNGEST_FIRST, window)

    async def get_of(self, account_id: UUID, key_id: UUID) -> ApiKey:
        """The key of the account. Raises NotFound."""
        statement = select(ApiKey).where(ApiKey.id == key_id, ApiKey.service_account_id == account_id)
        key = await self.session.scalar(statement)
        if key is None:
            raise NotFound("There is no such key.")
        return key

    async def lock_unrevoked(self, account_id: UUID, key_id: UUID | None = None) -> Sequence[ApiKey]:
        """The keys of the account that nobody has revoked, or the one of them that is asked for."""
        statement = select(ApiKey).where(ApiKey.service_account_id == account_id, ApiKey.revoked_at.is_(None))
        if key_id is not None:
            statement = statement.where(ApiKey.id == key_id)
        locked = statement.order_by(ApiKey.id).with_for_update().execution_options(populate_existing=True)
        return (await self.session.scalars(locked)).all()

    async def revoke(self, keys: Collection[ApiKey]) -> None:
        """The keys count no more, from now by the database's clock."""
        if keys:
            now = await self.now()
            for key in keys:
                key.revoked_at = now
            await self.session.flush()

    async def now(self) -> datetime:
        """By the database's clock."""
        now: datetime | None = await self.session.scalar(select(func.now()))
        assert now is not None, "now() is never null"  # noqa: S101 - for the type checker
        return now

    async def known_permissions(self, names: Collection[str]) -> set[str]:
        """Those of the names that permissions have."""
        return set(await self.session.scalars(select(Permission.name).where(Permission.name.in_(names))))

    async def revoke_token(self, token_id: UUID, expires_at: datetime) -> bool:
        """The token of a service account counts no more. False if it was revoked before."""
        statement = insert(RevokedToken).values(jti=token_id, expires_at=expires_at).on_conflict_do_nothing()
        return await self.session.scalar(statement.returning(RevokedToken.jti)) is not None
