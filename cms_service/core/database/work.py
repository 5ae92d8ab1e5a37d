"""One request, one transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cms_service.core.exceptions import ServiceError

# Triggers record what caches have to forget, whoever changed it and how.
_OWN_CHANGE = text("SELECT CAST(xid AS text) FROM access_changes WHERE xid = pg_current_xact_id_if_assigned() LIMIT 1")


class Propagation(Protocol):
    """Waits until no process answers any more from what a transaction has changed."""

    async def complete(self, xid: int) -> None:
        """Until all have heard of the transaction `xid`, which is committed."""


class UnitOfWork:
    """Everything that one request reads and writes. It begins with the first statement."""

    def __init__(self, session: AsyncSession, propagation: Propagation | None = None) -> None:
        self.session = session
        self._propagation = propagation

    async def pause(self) -> None:
        """Nothing is held in the database until the next statement; what was written so far is committed.

        For work that takes long and needs no row, such as hashing a password: connections are few.
        """
        await self.commit()

    async def commit(self) -> None:
        """What was written is kept, and no process answers from what was before."""
        session = self.session
        xid: str | None = None
        if self._propagation is not None and session.in_transaction():
            await session.flush()
            xid = await session.scalar(_OWN_CHANGE)
        await session.commit()
        if self._propagation is not None and xid is not None:
            await self._propagation.complete(int(xid))


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine, propagation: Propagation | None = None) -> AsyncIterator[UnitOfWork]:
    """Commit when the block ends, roll back when it raises: the only place that does either.

    A refusal that `keeps_writes` is committed before it goes on, so that its trace outlives it.
    """
    async with AsyncSession(engine, expire_on_commit=False, autoflush=False) as session:
        work = UnitOfWork(session, propagation)
        try:
            yield work
        except ServiceError as refusal:
            if refusal.keeps_writes:
                await work.commit()
            raise
        await work.commit()


WorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a unit of work where there is no request to open one."""
