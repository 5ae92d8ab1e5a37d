"""Connections of the fast lane that the server refuses, or has ended a moment ago."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import FastLane, Statement
from tests.eventually import eventually
from tests.fixtures import Cluster, Database, DatabaseFactory, service_environ

BACKEND = Statement(select(func.pg_backend_pid().label("pid")))


class LingeringLine:
    """Passes everything on, except that the server has closed its end."""

    def __init__(self) -> None:
        self.ended = 0
        self.tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self, database: Database, directory: Path) -> AsyncIterator[str]:
        host = str(make_url(database.url).query["host"])
        async with await asyncio.start_unix_server(
            lambda reader, writer: self._accept(host, reader, writer), directory / ".s.PGSQL.5432"
        ):
            try:
                yield f"postgresql+asyncpg://postgres@/{database.name}?host={quote(str(directory))}&port=5432"
            finally:
                for task in self.tasks:
                    task.cancel()
                await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.5432")
        for one in (self._relay(reader, theirs[1]), self._relay(theirs[0], writer, lingers=True)):
            self.tasks.add(asyncio.create_task(one))

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lingers: bool = False
    ) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
            if lingers:
                self.ended += 1
                await asyncio.Event().wait()
        finally:
            writer.close()


async def test_statement_is_sent_again_when_the_server_has_just_ended_the_idle_connections(
    settings: Settings, database: Database, db: asyncpg.Connection, reachable_path: Path
) -> None:
    """The client has read that they are over, and not yet that they are closed."""
    line = LingeringLine()
    async with line.open(database, reachable_path) as url:
        lane = FastLane(replace(settings, database_url=url, database_direct_url=url))
        rows = await asyncio.gather(*(lane.fetch_row(BACKEND) for _ in range(2)))
        pids = {row["pid"] for row in rows if row is not None}
        assert lane.opened == len(pids) == 2

        async def have_ended() -> bool:
            return line.ended == 2

        for pid in pids:
            await db.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await eventually(have_ended)
        await asyncio.sleep(0)  # The last word of the server is in the socket; the next round of the loop reads it.
        await asyncio.sleep(0)

        row = await lane.fetch_row(BACKEND)

        assert row is not None
        assert row["pid"] not in pids
        assert (lane.opened, lane.busy) == (1, 0)
        lane.close()


async def test_connection_is_given_up_with_its_statement(settings: Settings, db: asyncpg.Connection) -> None:
    """PostgreSQL would send the late answer to the next statement on the same connection."""
    lane = FastLane(replace(settings, database_fast_lane_connections=1))
    first = await lane.fetch_row(BACKEND)
    assert first is not None
    asleep = asyncio.ensure_future(lane.fetch_row(Statement(select(func.pg_sleep(60)))))

    async def is_asleep() -> bool:
        statement = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
        return bool(await db.fetchval(statement, first["pid"]))

    await eventually(is_asleep)
    asleep.cancel()
    await asyncio.gather(asleep, return_exceptions=True)
    second = await lane.fetch_row(BACKEND)

    assert second is not None
    assert second["pid"] != first["pid"]
    assert (lane.opened, lane.busy) == (1, 0)
    lane.close()


async def test_refused_connections_take_no_place(cluster: Cluster, fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    limits = {"database_fast_lane_connections": "1", "database_pool_timeout_seconds": "0.2"}
    lane = FastLane(load_settings(service_environ(database, **limits)))

    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    for _ in range(3):
        with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
            await lane.fetch_row(BACKEND)
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")

    row = await lane.fetch_row(BACKEND)
    assert row is not None
    assert (lane.opened, lane.busy, lane.waiting, lane.timeouts) == (1, 0, 0, 0)
    lane.close()


async def test_connection_outlives_a_statement_that_fails(settings: Settings) -> None:
    lane = FastLane(replace(settings, database_fast_lane_connections=1))
    first = await lane.fetch_row(BACKEND)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await lane.fetch_row(Statement(select(1 / func.abs(0))))

    second = await lane.fetch_row(BACKEND)

    lane.close()
    assert second == first
