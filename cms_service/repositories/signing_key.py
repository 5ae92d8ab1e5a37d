"""Signing keys, encrypted."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select

from cms_service.core.database import UnitOfWork
from cms_service.models import SigningKey

CREATION_LOCK = 0x636D735F6B6579  # "cms_key"


class SigningKeyRepository:
    """The rows of the key ring."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def lock_creation(self) -> None:
        """Nobody else makes a key before this transaction ends."""
        await self.session.execute(select(func.pg_advisory_xact_lock(CREATION_LOCK)))

    async def list_unretired(self) -> Sequence[SigningKey]:
        statement = select(SigningKey).where(or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > func.now()))
        return (await self.session.scalars(statement)).all()

    async def add(self, key: SigningKey) -> SigningKey:
        self.session.add(key)
        await self.session.flush()
        return key
