"""A connection of its own, past any pooler, on which the database can speak first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from cms_service.core.config import Settings
from cms_service.core.database.connecting import connect_to_primary
from cms_service.core.database.fast_lane import Statement

ACCESS_CHANNEL = "cms_access"


class DirectLine:
    """Hears the announcements of one channel, and carries one statement at a time, each its own transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._is_called = asyncio.Event()
        connection.add_termination_listener(lambda *_: self._is_called.set())

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, channel: str, timeout_seconds: float) -> AsyncIterator["DirectLine"]:
        """A line that hears all that is announced from now on, and gives up on a server that is silent for so long.

        Raises:
            StandbyReached: the server is in recovery.
            TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as the driver does.
        """
        connection = await connect_to_primary(
            settings.database_direct_url or "",
            timeout=timeout_seconds,
            command_timeout=timeout_seconds,
            server_settings={
                "application_name": "cms-service cache",
                "timezone": "UTC",
                "jit": "off",
                "default_transaction_isolation": "read committed",
                "statement_timeout": str(round(timeout_seconds * 1000)),
                # A lease need not survive a crash. If it waited for a synchronous standby that is lost, every renewal
                # would leave a server process behind.
                "synchronous_commit": "off",
            },
        )
        try:
            line = cls(connection)
            await connection.add_listener(channel, lambda *_: line._is_called.set())
            yield line
        finally:
            # Do not wait: the server may not answer.
            connection.give_up()

    async def fetch_row(self, statement: Statement, **values: Any) -> asyncpg.Record:
        """The first row, of which there must be one. Raises as `open` does."""
        row = await self._connection.fetchrow(statement.sql, *statement.arguments(values))
        assert row is not None, "the statement yields a row"  # noqa: S101 - for the type checker
        return row

    async def wait_for_call(self, seconds: float) -> bool:
        """Until something is announced or the line is cut, but no longer than `seconds`. False if nothing was."""
        try:
            async with asyncio.timeout(seconds):
                await self._is_called.wait()
        except TimeoutError:
            return False
        self._is_called.clear()
        return True
