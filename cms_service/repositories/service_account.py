"""Service accounts."""

from typing import ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import selectinload

from cms_service.core.database import Ordering, Slice, Window, escape_like, fetch_slice
from cms_service.core.exceptions import NotFound
from cms_service.models import ServiceAccount


class ServiceAccountRepository(SQLAlchemyAsyncRepository[ServiceAccount]):
    """Live service accounts. Every account comes with its roles."""

    model_type = ServiceAccount

    ORDERINGS: ClassVar[dict[str, Ordering]] = {
        "name": Ordering(ServiceAccount.name, ServiceAccount.id),
        "name_desc": Ordering(ServiceAccount.name, ServiceAccount.id, is_descending=True),
        "created_at": Ordering(ServiceAccount.created_at, ServiceAccount.id),
        "created_at_desc": Ordering(ServiceAccount.created_at, ServiceAccount.id, is_descending=True),
    }

    async def get_live(self, account_id: UUID) -> ServiceAccount:
        """Raises NotFound."""
        return _found(await self.session.scalar(_live().where(ServiceAccount.id == account_id)))

    async def lock_live(self, account_id: UUID) -> ServiceAccount:
        """The account as it is now, which nobody else changes before this transaction ends. Raises NotFound."""
        statement = _live().where(ServiceAccount.id == account_id).with_for_update(of=ServiceAccount, key_share=True)
        return _found(await self.session.scalar(statement.execution_options(populate_existing=True)))

    async def slice(self, sort: str, window: Window, *, q: str | None = None, is_active: bool | None = None) -> Slice:
        """Part of the accounts that pass every filter given. `q` is looked for in names and descriptions."""
        statement = _live()
        if q is not None:
            pattern = f"%{escape_like(q)}%"
            statement = statement.where(
                or_(
                    ServiceAccount.name.ilike(pattern, escape="\\"),
                    ServiceAccount.description.ilike(pattern, escape="\\"),
                )
            )
        if is_active is not None:
            statement = statement.where(ServiceAccount.is_active == is_active)
        return await fetch_slice(self.session, statement, self.ORDERINGS[sort], window)

    async def mark_deleted(self, account: ServiceAccount) -> None:
        """The account counts no more, from now by the database's clock."""
        account.deleted_at = func.now()
        await self.session.flush()

    async def touch(self, account: ServiceAccount) -> None:
        """What belongs to the account has changed: so has its version."""
        account.updated_at = func.now()
        await self.session.flush()
        await self.session.refresh(account, ["roles"])


def _live() -> Select[ServiceAccount]:
    return select(ServiceAccount).options(selectinload(ServiceAccount.roles)).where(ServiceAccount.deleted_at.is_(None))


def _found(account: ServiceAccount | None) -> ServiceAccount:
    if account is None:
        raise NotFound("There is no such service account.")
    return account
