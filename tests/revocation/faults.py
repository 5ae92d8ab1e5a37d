"""What can happen to those who listen for changes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import asyncpg
from sqlalchemy.engine import make_url

from tests.eventually import eventually
from tests.fixtures import Database

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'cms-service cache' AND datname = $1"
END_LISTENERS = LISTENERS.replace("pid", "pg_terminate_backend(pid)", 1)
AILING_SECONDS = 2.5
"""Longer than a lease."""
HEALTHY_SECONDS = 1.5


def socket_of(database: Database) -> str:
    """Where PostgreSQL listens."""
    query = make_url(database.url).query
    return f"{query['host']}/.s.PGSQL.{query.get('port', '5432')}"


class Proxy:
    """Stands between the listeners and PostgreSQL, and can become a black hole."""

    def __init__(self, directory: Path, upstream: Path) -> None:
        self._path = directory / upstream.name
        self._upstream = upstream
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def url_of(self, database: Database) -> str:
        """The same database, through here."""
        url = make_url(database.url).update_query_dict({"host": str(self._path.parent)})
        return url.render_as_string(hide_password=False)

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        self._path.chmod(0o777)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def swallow(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._is_open.clear()

    def heal(self) -> None:
        self._is_open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._upstream)
        for source, target in ((reader, upstream_writer), (upstream_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                await self._is_open.wait()
                target.write(chunk)
                await target.drain()
        target.close()


Trouble: TypeAlias = Callable[[Database, Proxy], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _again_and_again(trouble: Callable[[], AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    async def make() -> None:
        while True:
            async with trouble():
                await asyncio.sleep(AILING_SECONDS)
            await asyncio.sleep(HEALTHY_SECONDS)

    task = asyncio.create_task(make())
    try:
        yield
    finally:
        task.cancel()
        # Raises what went wrong in it, if something did.
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def none(_database: Database, _proxy: Proxy) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def terminated(database: Database, _proxy: Proxy) -> AsyncIterator[None]:
    """The connections are ended by the server, as often as they come back."""
    db = await database.connect()

    @asynccontextmanager
    async def trouble() -> AsyncIterator[None]:
        ending = asyncio.create_task(_terminate(db, database.name))
        try:
            yield
        finally:
            ending.cancel()
            with suppress(asyncio.CancelledError):
                await ending

    async with _again_and_again(trouble):
        yield
    db.terminate()


async def _terminate(db: asyncpg.Connection, database: str) -> None:
    while True:
        await db.execute(END_LISTENERS, database)
        await asyncio.sleep(0.2)


@asynccontextmanager
async def black_holed(_database: Database, proxy: Proxy) -> AsyncIterator[None]:
    """What is sent is lost on the way, and no connection breaks."""

    @asynccontextmanager
    async def trouble() -> AsyncIterator[None]:
        proxy.swallow()
        try:
            yield
        finally:
            proxy.heal()

    async with _again_and_again(trouble):
        yield


@asynccontextmanager
async def frozen(database: Database, _proxy: Proxy) -> AsyncIterator[None]:
    """The server processes of the connections stand still, and go on later as if nothing had been."""
    db = await database.connect()

    async def listeners() -> list[int]:
        return [row["pid"] for row in await db.fetch(LISTENERS, database.name)]

    @asynccontextmanager
    async def trouble() -> AsyncIterator[None]:
        pids = await eventually(listeners)
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    async with _again_and_again(trouble):
        yield
    db.terminate()


def _signal(pids: list[int], signal_number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)


TROUBLES: dict[str, Trouble] = {
    "none": none,
    "terminated": terminated,
    "black_holed": black_holed,
    "frozen": frozen,
}
