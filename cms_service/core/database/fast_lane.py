"""The way of the hottest paths: one statement, which is its own transaction, straight on asyncpg.

A read through a unit of work costs some 700 µs of this process's time, through asyncpg's own pool some 150 µs, and
through this some 60 µs (`docs/decisions/0009-fast-lane.md`).
"""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import Dialect, Executable
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from cms_service.core.config import Settings
from cms_service.core.database.connecting import connect_arguments, driver_url
from cms_service.core.observability import Tracing

_DIALECT: Dialect = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call]


class Statement:
    """A statement in the terms of the models, compiled once."""

    def __init__(self, statement: Executable) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._names: list[str] = list(compiled.positiontup or [])
        self._constants = compiled.params

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        return [values[name] if name in values else self._constants[name] for name in self._names]


class FastLane:
    """A few connections of its own, opened as they are needed; each carries one statement at a time.

    For whoever watches it, a `ConnectionPool`.
    """

    def __init__(self, settings: Settings, tracing: Tracing | None = None) -> None:
        self._tracing = tracing
        self.limit = settings.database_fast_lane_connections
        self.busy = 0
        self.waiting = 0
        self.timeouts = 0
        self._address = driver_url(settings.database_url or "")
        self._arguments = connect_arguments(settings)
        self._wait_seconds = settings.database_pool_timeout_seconds
        self._slots = asyncio.Semaphore(self.limit)
        self._idle: list[asyncpg.Connection] = []

    async def fetch_row(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        """The first row; what the statement writes is committed then.

        Raises:
            TimeoutError: no connection was free in time, or the server did not answer in time.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as the driver does.
        """
        if self._tracing is None:
            return await self._fetch_or_repeat(statement, values)
        with self._tracing.executing(statement.sql):
            return await self._fetch_or_repeat(statement, values)

    @property
    def opened(self) -> int:
        return self.busy + len(self._idle)

    def close(self) -> None:
        """No connection is idle any more."""
        while self._idle:
            self._idle.pop().terminate()

    async def _fetch_or_repeat(self, statement: Statement, values: dict[str, Any]) -> asyncpg.Record | None:
        try:
            return await self._fetch_row(statement, values)
        except asyncpg.InternalClientError:
            # The server has just ended this connection, so that nothing was sent; the idle ones will fare no better.
            self.close()
            return await self._fetch_row(statement, values)

    async def _fetch_row(self, statement: Statement, values: dict[str, Any]) -> asyncpg.Record | None:
        connection = await self._borrow()
        self.busy += 1
        try:
            return await connection.fetchrow(statement.sql, *statement.arguments(values))
        except asyncpg.PostgresError:
            raise
        except BaseException:
            # Given up in the middle of a statement: what comes back next on this connection is not ours.
            connection.terminate()
            raise
        finally:
            if not connection.is_closed():
                self._idle.append(connection)
            self.busy -= 1
            self._slots.release()

    async def _borrow(self) -> asyncpg.Connection:
        if self._slots.locked():
            await self._wait_for_slot()
        else:
            await self._slots.acquire()  # Does not wait: a timer for nothing would cost as much as the rest.
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await asyncpg.connect(self._address, **self._arguments)
        except BaseException:
            self._slots.release()
            raise

    async def _wait_for_slot(self) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            self.timeouts += 1
            raise
        finally:
            self.waiting -= 1
