"""Sessions: one row for each signed-in device."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import ColumnElement, Interval, bindparam, func, select, update

from cms_service.models import RefreshToken, User


class PresentedSession(msgspec.Struct, frozen=True):
    """What decides about a refresh token that came in."""

    user_id: UUID
    counter: int
    secret: bytes
    is_live: bool
    """Neither revoked nor past one of its limits, and its account is active."""
    seconds_since_rotation: float
    now: datetime
    """By the database's clock."""
    expires_at: datetime
    authenticated_at: datetime


class RefreshTokenRepository(SQLAlchemyAsyncRepository[RefreshToken]):
    """Sessions of live, active accounts are live until they are revoked or one of their limits has passed."""

    model_type = RefreshToken

    async def find_presented(self, session_id: UUID) -> PresentedSession | None:
        """The session that a token names, as it is now."""
        row = (await self.session.execute(_PRESENTED, {"session_id": session_id})).one_or_none()
        if row is None:
            return None
        return PresentedSession(
            user_id=row.user_id,
            counter=row.counter,
            secret=row.secret,
            is_live=row.is_live,
            seconds_since_rotation=float(row.age),
            now=row.now,
            expires_at=row.expires_at,
            authenticated_at=row.authenticated_at,
        )

    async def open(  # noqa: PLR0913 - a row is made of its columns
        self,
        *,
        user_id: UUID,
        secret: bytes,
        idle_lifetime: timedelta,
        lifetime: timedelta,
        ip: str | None,
        user_agent: str | None,
    ) -> RefreshToken:
        """A new session, whose limits count from now by the database's clock."""
        session = RefreshToken(user_id=user_id, secret=secret, ip=ip, user_agent=user_agent)
        session.idle_expires_at = func.now() + idle_lifetime
        session.expires_at = func.now() + lifetime
        return await self.add(session, auto_refresh=False)

    async def rotate(self, session_id: UUID, counter: int, idle_lifetime: timedelta) -> bool:
        """The token with `counter` is spent and its successor is live. False if another request was first."""
        values = {"session_id": session_id, "presented_counter": counter, "idle_lifetime": idle_lifetime}
        return await self.session.scalar(_ROTATION, values) is not None

    async def revoke(self, reason: str, *which: ColumnElement[bool]) -> Sequence[UUID]:
        """Ends the live sessions that meet every condition, and tells which they were."""
        statement = (
            update(RefreshToken)
            .where(RefreshToken.revoked_at.is_(None), *which)
            .values(revoked_at=func.now(), revoked_reason=reason, version=RefreshToken.version + 1)
            .returning(RefreshToken.id)
            .execution_options(synchronize_session=False)
        )
        return (await self.session.scalars(statement)).all()

    async def revoke_oldest(self, user_id: UUID, reason: str, *, kept: int) -> Sequence[UUID]:
        """Ends the sessions of the user that were used the longest ago, until no more than `kept` are live."""
        surplus = (
            select(RefreshToken.id)
            .where(RefreshToken.user_id == user_id, _is_live())
            .order_by(RefreshToken.last_used_at.desc(), RefreshToken.id.desc())
            .offset(kept)
        )
        return await self.revoke(reason, RefreshToken.id.in_(surplus))

    async def revoke_one(self, session_id: UUID, user_id: UUID, reason: str) -> bool:
        """Ends a session of the user. False if there was no such live session."""
        return bool(
            await self.revoke(reason, _is_live(), RefreshToken.id == session_id, RefreshToken.user_id == user_id)
        )

    async def revoke_all(self, user_id: UUID, reason: str, *, except_id: UUID | None = None) -> Sequence[UUID]:
        """Ends the sessions of the user, save one."""
        conditions = [RefreshToken.user_id == user_id]
        if except_id is not None:
            conditions.append(RefreshToken.id != except_id)
        return await self.revoke(reason, *conditions)

    async def live_of_user(self, user_id: UUID) -> Sequence[RefreshToken]:
        """The live sessions of the user, the youngest first."""
        statement = (
            select(RefreshToken).where(RefreshToken.user_id == user_id, _is_live()).order_by(RefreshToken.id.desc())
        )
        return (await self.session.scalars(statement)).all()


def _is_live() -> ColumnElement[bool]:
    return (
        RefreshToken.revoked_at.is_(None)
        & (RefreshToken.idle_expires_at > func.clock_timestamp())
        & (RefreshToken.expires_at > func.clock_timestamp())
    )


# Built once: building them costs more than running them.
_PRESENTED = (
    select(
        RefreshToken.user_id,
        RefreshToken.counter,
        RefreshToken.secret,
        (_is_live() & User.is_active & User.deleted_at.is_(None)).label("is_live"),
        func.extract("epoch", func.clock_timestamp() - RefreshToken.last_used_at).label("age"),
        func.clock_timestamp().label("now"),
        RefreshToken.expires_at,
        RefreshToken.authenticated_at,
    )
    .join(User)
    .where(RefreshToken.id == bindparam("session_id"))
)
_ROTATION = (
    update(RefreshToken)
    .where(
        RefreshToken.id == bindparam("session_id"),
        RefreshToken.counter == bindparam("presented_counter"),
        RefreshToken.revoked_at.is_(None),
    )
    .values(
        counter=RefreshToken.counter + 1,
        version=RefreshToken.version + 1,
        last_used_at=func.clock_timestamp(),
        idle_expires_at=func.least(
            func.clock_timestamp() + bindparam("idle_lifetime", type_=Interval), RefreshToken.expires_at
        ),
    )
    .returning(RefreshToken.id)
    .execution_options(synchronize_session=False)
)
