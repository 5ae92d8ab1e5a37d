"""A connection that knows which server it leads to, and can be given up without waiting for that server."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg

FAREWELL_SECONDS = 5.0

_farewells: set[asyncio.Task[None]] = set()
"""The event loop itself keeps only weak references to tasks."""


class PostgresConnection(asyncpg.Connection):
    """asyncpg's connection. See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epoch = 0
        """See `Primary.epoch`."""
        self.home: datetime | None = None
        """The server, as `primary.SERVER` names it; None behind a pooler."""
        self.server: datetime | None = None
        """The server of the present transaction."""
        self.is_new = True
        """False after the first checkout."""
        self.is_given_up = False

    def give_up(self) -> None:
        """End the connection, also on the server, and return at once.

        `terminate` closes the socket, which a server process that waits does not notice: for a lock, or for the
        confirmation of a synchronous standby. Such processes add up until `max_connections` is reached. So the
        statement is cancelled first. That happens in the background, since the server may not answer.
        """
        if self.is_given_up or self.is_closed():
            return
        self.is_given_up = True
        farewell = asyncio.get_running_loop().create_task(self._say_goodbye())
        _farewells.add(farewell)
        farewell.add_done_callback(self._end_farewell)

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature of asyncpg
        """See `asyncpg.Connection`. Returns at once where the connection was given up."""
        if not self.is_given_up:
            await super().close(timeout=timeout)

    def _end_farewell(self, farewell: asyncio.Task[None]) -> None:
        _farewells.discard(farewell)
        if not self.is_closed():
            # The event loop has ended before the farewell has begun.
            self.terminate()

    async def _say_goodbye(self) -> None:
        # A server that does not answer is expected here. `close` aborts the connection when it fails.
        with suppress(Exception):
            await super().close(timeout=FAREWELL_SECONDS)
