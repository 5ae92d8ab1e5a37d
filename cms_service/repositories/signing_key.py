"""Signing keys, encrypted."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import DateTime, func, or_, select

from cms_service.core.database import UnitOfWork
from cms_service.models import SigningKey

CHANGES_LOCK = 0x636D735F6B6579  # "cms_key"
BY_AGE = (SigningKey.published_at, SigningKey.kid)


class SigningKeyRepository:
    """The rows of the key ring, the oldest first."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def lock_changes(self) -> datetime:
        """Nobody else changes a key before this transaction ends. Returns the time of the database, once it is so."""
        await self.session.execute(select(func.pg_advisory_xact_lock(CHANGES_LOCK)))
        return (await self.session.execute(select(func.clock_timestamp(type_=DateTime(timezone=True))))).scalar_one()

    async def now(self) -> datetime:
        return (await self.session.execute(select(func.now()))).scalar_one()

    async def list_all(self) -> Sequence[SigningKey]:
        return (await self.session.scalars(select(SigningKey).order_by(*BY_AGE))).all()

    async def list_unretired(self) -> Sequence[SigningKey]:
        """Those that still verify."""
        is_live = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > func.clock_timestamp())
        return (await self.session.scalars(select(SigningKey).where(is_live).order_by(*BY_AGE))).all()

    def append(self, key: SigningKey) -> None:
        """The key is written with the unit of work."""
        self.session.add(key)
