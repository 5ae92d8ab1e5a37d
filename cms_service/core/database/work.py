"""One request, one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol, TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from cms_service.core.database.engine import driver_connection_of
from cms_service.core.exceptions import ServiceError

Recheck: TypeAlias = Callable[[], Awaitable[bool]]
"""Returns whether the rights of the caller have changed. Raises ServiceError where it may not act any more."""


class Propagation(Protocol):
    """Knows who still answers from what was before."""

    async def complete(self, server: datetime | None) -> None:
        """Until no process answers any more from what was before any change that is committed now.

        `server` is where the change was committed, as `Primary` names it; None where nothing was. Changes of others
        count as well: a client that repeats a request, since it got no answer, changes nothing the second time and may
        rely on the answer all the same.
        """


class UnitOfWork:
    """Everything that one request reads and writes. It begins with the first statement."""

    def __init__(
        self, session: AsyncSession, propagation: Propagation | None = None, recheck: Recheck | None = None
    ) -> None:
        self.session = session
        self._propagation = propagation
        self._recheck = recheck
        self._resumptions: list[Callable[[], Awaitable[None]]] = []
        self._checks_of_rights: list[Callable[[], Awaitable[None]]] = []

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Nothing is held in the database meanwhile; what was written before is committed.

        For work that takes long and needs no row, such as hashing a password: connections are few.
        """
        await self.session.commit()
        yield
        for resume in self._resumptions:
            await resume()

    def on_resume(self, resume: Callable[[], Awaitable[None]]) -> None:
        """What was made sure of, and is not when others could work in a pause, is made sure of again."""
        self._resumptions.append(resume)

    async def close(self, *, keeps_writes: bool) -> None:
        """What was written is kept, or not; what was answered so far holds in every process."""
        is_used = self.session.in_transaction()
        server = None
        if keeps_writes:
            server = await self._server() if is_used and self._propagation is not None else None
            await self.session.commit()
        else:
            await self.session.rollback()
        if is_used and self._propagation is not None:
            await self._propagation.complete(server)

    def on_changed_rights(self, check: Callable[[], Awaitable[None]]) -> None:
        """Repeat this check before COMMIT if the rights of the caller have changed by then."""
        self._checks_of_rights.append(check)

    async def recheck(self) -> None:
        """Look at the caller again once nothing is left to wait for. Raises as the checks do.

        Writes wait for locks. Meanwhile the session of the caller, its roles or its account can end, and that can have
        been answered.
        """
        if self._recheck is None or not self.session.in_transaction():
            return
        # Pending writes may wait for a lock, too.
        await self.session.flush()
        if await self._recheck():
            for check in self._checks_of_rights:
                await check()

    async def _server(self) -> datetime | None:
        connection = await (await self.session.connection()).get_raw_connection()
        return driver_connection_of(connection).server


@asynccontextmanager
async def unit_of_work(
    engine: AsyncEngine, propagation: Propagation | None = None, recheck: Recheck | None = None
) -> AsyncIterator[UnitOfWork]:
    """Commit when the block ends, roll back when it raises: the only place that does either.

    A refusal that `keeps_writes` is committed before it goes on, so that its trace outlives it. With `propagation`,
    whoever is answered next, and by whatever process, is answered from what is committed by then. `recheck` is called
    just before the work is committed, unless a refusal is.
    """
    async with AsyncSession(engine, expire_on_commit=False, autoflush=False) as session:
        work = UnitOfWork(session, propagation, recheck)
        try:
            yield work
        except ServiceError as refusal:
            await work.close(keeps_writes=refusal.keeps_writes)
            raise
        await work.recheck()
        await work.close(keeps_writes=True)


WorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a unit of work where there is no request to open one."""
