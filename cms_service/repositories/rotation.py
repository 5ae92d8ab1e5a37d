"""Rotating refresh tokens: what every client does every few minutes."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Interval, LargeBinary, bindparam, func, update

from cms_service.core.database import FastLane, Statement
from cms_service.models import RefreshToken, User
from cms_service.repositories.refresh_token import LIVE, LiveSession, is_live

_PROOF_BYTES = 16

# The proof is that of `core.security.refresh_tokens`, computed here by the database, which alone knows the secret.
_PROOF = func.substring(
    func.sha256(RefreshToken.secret.op("||")(func.int4send(RefreshToken.counter))), 1, _PROOF_BYTES, type_=LargeBinary
)
_ROTATION = Statement(
    update(RefreshToken)
    .where(
        RefreshToken.id == bindparam("session_id"),
        # A token can hold greater counters than the column can.
        RefreshToken.counter == bindparam("presented_counter", type_=BigInteger),
        bindparam("proof") == _PROOF,
        is_live(),
        User.id == RefreshToken.user_id,
        User.is_active,
        User.deleted_at.is_(None),
    )
    .values(
        counter=RefreshToken.counter + 1,
        version=RefreshToken.version + 1,
        last_used_at=func.clock_timestamp(),
        idle_expires_at=func.least(
            func.clock_timestamp() + bindparam("idle_lifetime", type_=Interval), RefreshToken.expires_at
        ),
    )
    .returning(*LIVE)
)


class RotationRepository:
    """Works on the fast lane: the one statement is the whole transaction."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def rotate(
        self, session_id: UUID, counter: int, proof: bytes, idle_lifetime: timedelta
    ) -> LiveSession | None:
        """The session, whose token with `counter` is now spent.

        None where that is not its live token: another request was first, or the session or its account has ended.
        """
        row = await self._lane.fetch_row(
            _ROTATION, session_id=session_id, presented_counter=counter, proof=proof, idle_lifetime=idle_lifetime
        )
        return None if row is None else LiveSession(**row)
