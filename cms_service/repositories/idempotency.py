"""Answers that are kept for whoever repeats a request."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from cms_service.core.database import UnitOfWork
from cms_service.models import IdempotencyKey

LOCK_BYTES = 8


class IdempotencyRepository:
    """One answer for each digest."""

    def __init__(self, work: UnitOfWork) -> None:
        self._session = work.session

    async def try_lock(self, digest: bytes) -> bool:
        """Whether nobody else answers for `digest` before this transaction ends."""
        number = int.from_bytes(digest[:LOCK_BYTES], signed=True)
        return bool(await self._session.scalar(select(func.pg_try_advisory_xact_lock(number))))

    async def find(self, digest: bytes, kept_for: timedelta) -> bytes | None:
        """The sealed answer, unless it is older than that."""
        is_kept = IdempotencyKey.created_at > func.now() - kept_for
        statement = select(IdempotencyKey.sealed_answer).where(IdempotencyKey.digest == digest, is_kept)
        return await self._session.scalar(statement)

    async def put(self, digest: bytes, sealed_answer: bytes) -> None:
        """Keeps the answer, in the place of one that is kept no longer."""
        given = insert(IdempotencyKey).values(digest=digest, sealed_answer=sealed_answer)
        renewed = {"sealed_answer": given.excluded.sealed_answer, "created_at": func.now()}
        await self._session.execute(given.on_conflict_do_update(index_elements=["digest"], set_=renewed))
