"""One request, one transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cms_service.core.exceptions import ServiceError


class UnitOfWork:
    """Everything that one request reads and writes. It begins with the first statement."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def pause(self) -> None:
        """Nothing is held in the database until the next statement; what was written so far is committed.

        For work that takes long and needs no row, such as hashing a password: connections are few.
        """
        await self.session.commit()


@asynccontextmanager
async def unit_of_work(engine: AsyncEngine) -> AsyncIterator[UnitOfWork]:
    """Commit when the block ends, roll back when it raises: the only place that does either.

    A refusal that `keeps_writes` is committed before it goes on, so that its trace outlives it.
    """
    async with AsyncSession(engine, expire_on_commit=False, autoflush=False) as session:
        try:
            yield UnitOfWork(session)
        except ServiceError as refusal:
            if refusal.keeps_writes:
                await session.commit()
            raise
        await session.commit()


WorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a unit of work where there is no request to open one."""
