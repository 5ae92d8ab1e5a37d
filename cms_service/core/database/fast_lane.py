"""The way of the hottest paths: one statement, which is its own transaction, straight on asyncpg.

A read through a unit of work costs some 700 µs of this process's time, through asyncpg's own pool some 150 µs, and
through this some 60 µs (`docs/decisions/0009-fast-lane.md`).
"""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import Dialect, Executable, Select, literal, select, true
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from cms_service.core.config import Settings
from cms_service.core.database.connecting import ORIGIN, is_behind_pooler, open_connection
from cms_service.core.database.connection import PostgresConnection
from cms_service.core.database.primary import IS_IN_RECOVERY, SERVER, Primary, WrongServer
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


class Question(Statement):
    """A query whose answer decides something: it tells which server it comes from, also when there is no row."""

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        answer = query.add_columns(literal(value=True).label("is_found")).subquery("answer")
        always = select(IS_IN_RECOVERY, SERVER).subquery("origin")
        super().__init__(select(*always.c, *answer.c).select_from(always).outerjoin(answer, true()))


class FastLane:
    """A few connections of its own, opened as they are needed; each carries one statement at a time.

    It counts them as a `ConnectionPool` does. Connections of an earlier epoch of `primary` are not used again.
    """

    def __init__(
        self,
        settings: Settings,
        primary: Primary | None = None,
        tracing: Tracing | None = None,
        *,
        limit: int | None = None,
        purpose: str = "cms-service fast lane",
    ) -> None:
        self._settings = settings
        self._is_behind_pooler = is_behind_pooler(settings)
        self._primary = primary or Primary()
        self._tracing = tracing
        self._purpose = purpose
        self.limit = limit or settings.database_fast_lane_connections
        self.busy = 0
        self.waiting = 0
        self.timeouts = 0
        self._wait_seconds = settings.database_pool_timeout_seconds
        self._slots = asyncio.Semaphore(self.limit)
        self._idle: list[PostgresConnection] = []

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

    async def ask(self, question: Question, **values: Any) -> asyncpg.Record | None:
        """The first row of the answer; it comes from the primary. Raises as `fetch_row` does.

        Raises:
            WrongServer: the connections lead to another server, also after they were opened anew.
        """
        try:
            row = await self._fetch_checked(question, values)
        except WrongServer:
            # Behind a pooler, or an address that moves, new connections may lead to the right server.
            self.close()
            row = await self._fetch_checked(question, values)
        return row if row["is_found"] else None

    @property
    def opened(self) -> int:
        return self.busy + len(self._idle)

    def close(self) -> None:
        """No connection is idle any more."""
        while self._idle:
            self._idle.pop().terminate()

    async def _fetch_checked(self, question: Question, values: dict[str, Any]) -> asyncpg.Record:
        row = await self.fetch_row(question, **values)
        assert row is not None, "a question has an answer"  # noqa: S101 - for the type checker
        self._primary.check(row)
        return row

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
            if not self._is_behind_pooler:
                return await connection.fetchrow(statement.sql, *statement.arguments(values))
            # The driver prepares first and executes then: without a transaction, on two servers perhaps.
            async with connection.transaction(isolation="read_committed"):
                [origin] = await connection.fetch(ORIGIN)
                self._primary.check(origin)
                return await connection.fetchrow(statement.sql, *statement.arguments(values))
        except asyncpg.ReadOnlySQLTransactionError:
            # The session may stay read-only although the server is not any more.
            connection.give_up()
            self._primary.leave()
            raise
        except (asyncpg.PostgresError, WrongServer):
            raise
        except BaseException:
            # Given up in the middle of a statement: what comes back next on this connection is not ours.
            connection.give_up()
            raise
        finally:
            self._take_back(connection)
            self.busy -= 1
            self._slots.release()

    def _take_back(self, connection: PostgresConnection) -> None:
        if not self._primary.is_reached_by(connection):
            connection.give_up()
        elif not connection.is_given_up and not connection.is_closed():
            self._idle.append(connection)

    async def _borrow(self) -> PostgresConnection:
        if self._slots.locked():
            await self._wait_for_slot()
        else:
            await self._slots.acquire()  # Does not wait: a timer for nothing would cost as much as the rest.
        while self._idle:
            connection = self._idle.pop()
            if not self._primary.is_reached_by(connection):
                connection.give_up()
            elif not connection.is_closed():
                return connection
        try:
            return await open_connection(self._settings, self._primary, self._purpose)
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
