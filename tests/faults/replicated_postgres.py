"""A primary and its standby, and addresses that lead each connection to the one or the other."""

import asyncio
import os
import shutil
import signal
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import asyncpg

from cms_service.core.database import end_with_parent
from cms_service.core.database.postgres_binaries import account_for, find_binaries
from tests.eventually import eventually
from tests.fixtures import Database

ROLE = "cms"
CHUNK_BYTES = 65_536
CANCEL_REQUEST = 80_877_102
REPLICATION_USER = "postgres"


class Node:
    """One server. Its data and its address survive that it is stopped."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.socket = directory / f"{name}-socket"
        self._data = directory / name
        self._log = directory / f"{name}.log"
        self._account = account_for(directory)
        self._binaries = find_binaries(None, self._account)
        self._process: subprocess.Popen[bytes] | None = None
        self.socket.mkdir()
        if self._account is not None:
            os.chown(self.socket, *self._account)
            os.chown(directory, *self._account)

    @property
    def database(self) -> Database:
        """The database of the service, whose role is not a superuser."""
        return database_at(self.socket)

    async def connect(self, database: str = ROLE) -> asyncpg.Connection:
        """A connection of the superuser."""
        return await asyncpg.connect(host=str(self.socket), port=5432, user="postgres", database=database)

    async def execute(self, *statements: str, database: str = ROLE) -> None:
        connection = await self.connect(database)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def fetchval(self, query: str, *arguments: object) -> Any:
        connection = await self.connect("postgres")
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def start_new(self) -> None:
        """An empty cluster with the database of the service."""
        self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8")
        await self.start()
        await self.execute(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {ROLE} OWNER {ROLE}", database="postgres")

    async def start_as_standby_of(self, primary: "Node") -> None:
        """A copy that follows the primary."""
        self._run(
            "pg_basebackup", "-D", self._data, "-d", primary.replication_address, "-R", "-X", "stream", "-c", "fast"
        )
        await self.start()

    async def rejoin(self, primary: "Node") -> None:
        """A primary of before follows the new one. It must be stopped."""
        target = f"host={primary.socket} port=5432 user=postgres dbname=postgres"
        self._run("pg_rewind", "-D", self._data, f"--source-server={target}", "-R")
        await self.start()

    @property
    def replication_address(self) -> str:
        return f"host={self.socket} port=5432 user={REPLICATION_USER}"

    async def start(self) -> None:
        self._launch()
        await eventually(self._answers)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all connections; SIGQUIT besides writes nothing more, as a crash does."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    async def promote(self) -> None:
        await self.execute("SELECT pg_promote()", database="postgres")

    async def pause_replay(self) -> None:
        """From here on it answers from what was before."""
        await self.execute("SELECT pg_wal_replay_pause()", database="postgres")

        async def is_paused() -> bool:
            return bool(await self.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))

        await eventually(is_paused)

    async def catch_up(self, primary: "Node") -> None:
        """Wait until all that the primary has written by now is visible here."""
        position = await primary.fetchval("SELECT pg_current_wal_lsn()::text")

        async def is_there() -> bool:
            return bool(await self.fetchval(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"))

        await eventually(is_there)

    async def count_connections(self, purpose: str = "cms-service%") -> int:
        """Of the service."""
        statement = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND application_name LIKE $2"
        count: int = await self.fetchval(statement, ROLE, purpose)
        return count

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            await self.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _launch(self) -> None:
        options = ("-p", "5432", "-k", str(self.socket), "-c", "listen_addresses=")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(signal.SIGINT),  # noqa: PLW1509 - one system call, no lock
                **self._as_account(),
            )

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._binaries / program, *arguments]
        options = self._as_account()
        done = subprocess.run(command, check=False, capture_output=True, text=True, **options)  # noqa: S603 - our own
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def _as_account(self) -> dict[str, Any]:
        clean = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        account = self._account
        return clean if account is None else clean | {"user": account.uid, "group": account.gid, "extra_groups": []}


class Pair:
    """A primary and a standby that follows it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.first, self.second = Node(directory, "first"), Node(directory, "second")

    async def start(self) -> None:
        await self.first.start_new()
        await self.second.start_as_standby_of(self.first)

    def stop(self) -> None:
        for node in (self.second, self.first):
            node.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Address:
    """Leads new connections to a server, by what they are for: the `application_name` of their first message."""

    def __init__(self, directory: Path, target: Node) -> None:
        directory.mkdir()
        self._directory = directory
        self._target = target
        self._targets: dict[str, Node] = {}
        self._open: dict[str, set[asyncio.StreamWriter]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def database(self) -> Database:
        return database_at(self._directory)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._directory / ".s.PGSQL.5432")
        (self._directory / ".s.PGSQL.5432").chmod(0o777)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lead(self, target: Node, purpose: str | None = None) -> None:
        """New connections for that purpose go there; without one, all do."""
        if purpose is None:
            self._target, self._targets = target, {}
        else:
            self._targets[purpose] = target

    def cut(self, purpose: str | None = None) -> None:
        """Connections break that are open for that purpose; without one, all do."""
        for name, writers in self._open.items():
            if purpose in {None, name}:
                for writer in writers:
                    writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._relay(reader, writer)
        finally:
            # Also where the server is not there.
            writer.close()
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = await reader.readexactly(4)
        message = await reader.readexactly(struct.unpack("!I", size)[0] - 4)
        purpose = _purpose_of(message)
        target = self._targets.get(purpose, self._target)
        server_reader, server_writer = await asyncio.open_unix_connection(str(target.socket / ".s.PGSQL.5432"))
        server_writer.write(size + message)
        ends = self._open.setdefault(purpose, set())
        ends |= {writer, server_writer}
        try:
            async with asyncio.TaskGroup() as ways:
                for way in ((reader, server_writer), (server_reader, writer)):
                    ways.create_task(_pass_on(*way))
        finally:
            for end in (writer, server_writer):
                ends.discard(end)
                end.close()
            await asyncio.gather(writer.wait_closed(), server_writer.wait_closed(), return_exceptions=True)


def database_at(socket: Path) -> Database:
    return Database(ROLE, f"postgresql+asyncpg://{ROLE}@/{ROLE}?host={socket}&port=5432")


def _purpose_of(message: bytes) -> str:
    """The `application_name` of a StartupMessage (PostgreSQL, "Message Formats")."""
    if struct.unpack("!I", message[:4])[0] == CANCEL_REQUEST:
        return ""
    words = message[4:].split(b"\0")
    options = dict(zip(words[::2], words[1::2], strict=False))
    return options.get(b"application_name", b"").decode()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one end is closed; then the other is closed too."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
