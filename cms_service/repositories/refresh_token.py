"""Sessions: one row for each signed-in device."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import ColumnElement, bindparam, func, select, update

from cms_service.models import RefreshToken, User


class LiveSession(msgspec.Struct, frozen=True):
    """What tokens are made of."""

    id: UUID
    user_id: UUID
    secret: bytes
    counter: int
    authenticated_at: datetime
    expires_at: datetime
    now: datetime
    """By the database's clock."""


LIVE = (
    RefreshToken.id,
    RefreshToken.user_id,
    RefreshToken.secret,
    RefreshToken.counter,
    RefreshToken.authenticated_at,
    RefreshToken.expires_at,
    func.clock_timestamp().label("now"),
)
"""The columns of LiveSession."""


class PresentedSession(msgspec.Struct, frozen=True):
    """What decides about a refresh token that is not, or no longer, the live one."""

    session: LiveSession
    is_live: bool
    """Neither revoked nor past one of its limits, and its account is active."""
    seconds_since_rotation: float


class RefreshTokenRepository(SQLAlchemyAsyncRepository[RefreshToken]):
    """Sessions of live, active accounts are live until they are revoked or one of their limits has passed."""

    model_type = RefreshToken

    async def find_presented(self, session_id: UUID) -> PresentedSession | None:
        """The session that a token names, as it is now."""
        row = (await self.session.execute(_PRESENTED, {"session_id": session_id})).one_or_none()
        if row is None:
            return None
        *facts, is_still_live, age = row
        return PresentedSession(LiveSession(*facts), is_still_live, float(age))

    async def revoke(self, reason: str, *which: ColumnElement[bool]) -> Sequence[UUID]:
        """Ends the sessions that meet every condition and have not been ended, and returns which they were."""
        statement = (
            update(RefreshToken)
            .where(RefreshToken.revoked_at.is_(None), *which)
            .values(revoked_at=func.now(), revoked_reason=reason, version=RefreshToken.version + 1)
            .returning(RefreshToken.id)
            .execution_options(synchronize_session=False)
        )
        return (await self.session.scalars(statement)).all()

    async def revoke_one(self, session_id: UUID, user_id: UUID, reason: str) -> bool:
        """Ends a session of the user. False if there was no such live session."""
        return bool(
            await self.revoke(reason, is_live(), RefreshToken.id == session_id, RefreshToken.user_id == user_id)
        )

    async def revoke_all(self, user_id: UUID, reason: str, *, except_id: UUID | None = None) -> Sequence[UUID]:
        """Ends the sessions of the user, save one."""
        conditions = [RefreshToken.user_id == user_id]
        if except_id is not None:
            conditions.append(RefreshToken.id != except_id)
        return await self.revoke(reason, *conditions)

    async def mark_authenticated(self, session_id: UUID) -> LiveSession | None:
        """The session, whose user has just proved who they are. None if it is no longer live."""
        statement = (
            update(RefreshToken)
            .where(RefreshToken.id == session_id, is_live())
            .values(authenticated_at=func.clock_timestamp(), version=RefreshToken.version + 1)
            .execution_options(synchronize_session=False)
        )
        await self.session.execute(statement)
        presented = await self.find_presented(session_id)
        return presented.session if presented is not None and presented.is_live else None

    async def live_of_user(self, user_id: UUID) -> Sequence[RefreshToken]:
        """The live sessions of the user, the youngest first."""
        statement = (
            select(RefreshToken).where(RefreshToken.user_id == user_id, is_live()).order_by(RefreshToken.id.desc())
        )
        return (await self.session.scalars(statement)).all()


def is_live() -> ColumnElement[bool]:
    """Whether the session itself counts; its account has to as well."""
    return (
        RefreshToken.revoked_at.is_(None)
        & (RefreshToken.idle_expires_at > func.clock_timestamp())
        & (RefreshToken.expires_at > func.clock_timestamp())
    )


# Built once: building it costs more than running it.
_PRESENTED = (
    select(
        *LIVE,
        (is_live() & User.is_active & User.deleted_at.is_(None)).label("is_live"),
        func.extract("epoch", func.clock_timestamp() - RefreshToken.last_used_at).label("age"),
    )
    .join(User)
    .where(RefreshToken.id == bindparam("session_id"))
)
