"""Accounts."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import ColumnElement, Select, exists, false, func, or_, select
from sqlalchemy.orm import selectinload

from cms_service.core.database import Ordering, Slice, Window, escape_like, fetch_slice
from cms_service.core.exceptions import NotFound
from cms_service.models import Role, User, UserRole


class Credentials(msgspec.Struct, frozen=True):
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str | None
    is_active: bool
    password_changed_at: datetime | None


class UserRepository(SQLAlchemyAsyncRepository[User]):
    """Live accounts, except where a name says `deleted`. Every account comes with its roles."""

    model_type = User

    ORDERINGS: ClassVar[dict[str, Ordering]] = {
        "created_at": Ordering(User.created_at, User.id),
        "created_at_desc": Ordering(User.created_at, User.id, is_descending=True),
        "email": Ordering(User.email, User.id),
        "email_desc": Ordering(User.email, User.id, is_descending=True),
        "display_name": Ordering(User.display_name, User.id),
        "display_name_desc": Ordering(User.display_name, User.id, is_descending=True),
    }

    async def get_live(self, user_id: UUID) -> User:
        """Raises NotFound."""
        return _found(await self.session.scalar(_live().where(User.id == user_id)))

    async def lock_live(self, user_id: UUID) -> User:
        """The account as it is now, which nobody else changes before this transaction ends. Raises NotFound."""
        return _found(await self.session.scalar(_locked(_live().where(User.id == user_id))))

    async def lock_any(self, user_id: UUID) -> User:
        """The same of an account that may be deleted."""
        statement = select(User).options(selectinload(User.roles)).where(User.id == user_id)
        return _found(await self.session.scalar(_locked(statement)))

    async def find_credentials_by_email(self, email: str) -> Credentials | None:
        """What a sign-in to the account is checked against; `email` is in its canonical form."""
        return await self._find_credentials(User.email == email)

    async def find_credentials_by_id(self, user_id: UUID) -> Credentials | None:
        """The same, of a known account."""
        return await self._find_credentials(User.id == user_id)

    async def lock_unchanged(self, credentials: Credentials) -> User | None:
        """The account, locked, unless it has changed in what a sign-in was checked against."""
        statement = _live().where(
            User.id == credentials.user_id,
            User.password_hash == credentials.password_hash,
            User.is_active == credentials.is_active,
        )
        return await self.session.scalar(_locked(statement))

    async def change_password_hash(self, user: User, password_hash: str) -> None:
        """The account has another password, from now by the database's clock."""
        user.password_hash = password_hash
        user.password_changed_at = func.now()
        await self.session.flush()

    async def mark_deleted(self, user: User) -> None:
        """The account counts no more, from now by the database's clock."""
        user.deleted_at = func.now()
        await self.session.flush()

    async def touch(self, user: User) -> None:
        """What belongs to the account has changed: so has its version."""
        user.updated_at = func.now()
        await self.session.flush()
        await self.session.refresh(user, ["roles"])

    async def slice(  # noqa: PLR0913 - each is a filter that a caller may leave out
        self,
        sort: str,
        window: Window,
        *,
        is_deleted: bool = False,
        q: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        is_active: bool | None = None,
        role: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Slice:
        """Part of the accounts that pass every filter given. `q` is looked for in addresses and names."""
        statement = select(User).options(selectinload(User.roles))
        statement = statement.where(User.deleted_at.is_not(None) if is_deleted else User.deleted_at.is_(None))
        if q is not None:
            pattern = f"%{escape_like(q)}%"
            statement = statement.where(
                or_(User.email.ilike(pattern, escape="\\"), User.display_name.ilike(pattern, escape="\\"))
            )
        if email is not None:
            statement = statement.where(User.email == email)
        if external_id is not None:
            statement = statement.where(User.external_id == external_id)
        if is_active is not None:
            statement = statement.where(User.is_active == is_active)
        if role is not None:
            # Found first, since the planner does well only when it sees which role it is.
            role_id = await self.session.scalar(select(Role.id).where(Role.name == role, Role.deleted_at.is_(None)))
            statement = statement.where(_has_role(role_id) if role_id else false())
        if created_after is not None:
            statement = statement.where(User.created_at > created_after)
        if created_before is not None:
            statement = statement.where(User.created_at < created_before)
        return await fetch_slice(self.session, statement, self.ORDERINGS[sort], window)

    async def _find_credentials(self, which: ColumnElement[bool]) -> Credentials | None:
        statement = select(User.id, User.password_hash, User.is_active, User.password_changed_at).where(
            User.deleted_at.is_(None), which
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else Credentials(*row)


def _live() -> Select[User]:
    return select(User).options(selectinload(User.roles)).where(User.deleted_at.is_(None))


def _locked(statement: Select[User]) -> Select[User]:
    # NO KEY: rows that refer to the account may still be added meanwhile.
    return statement.with_for_update(of=User, key_share=True).execution_options(populate_existing=True)


def _has_role(role_id: UUID) -> ColumnElement[bool]:
    return exists().where(UserRole.user_id == User.id, UserRole.role_id == role_id, UserRole.is_effective())


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("There is no such user.")
    return user
