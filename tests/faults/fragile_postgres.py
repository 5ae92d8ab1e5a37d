import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg

from cms_service.core.database import EmbeddedPostgres
from tests.fixtures import Database

ROLE = "cms"


class FragilePostgres:
    """A server that a test may treat as it likes. Its address stays the same when it is started again."""

    def __init__(self, directory: Path) -> None:
        # Durable: what was acknowledged must survive the crashes.
        self._server = EmbeddedPostgres(directory / "postgres")
        self._socket = directory / "socket"
        self._frozen: list[int] = []

    @property
    def database(self) -> Database:
        """The database of the service, whose role is not a superuser."""
        return Database(ROLE, f"postgresql+asyncpg://{ROLE}@/{ROLE}?host={self._socket}&port=5432")

    async def connect(self) -> asyncpg.Connection:
        """A connection of the superuser."""
        return await asyncpg.connect(host=str(self._socket), port=5432, user="postgres", database="postgres")

    async def execute(self, *statements: str) -> None:
        connection = await self.connect()
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def create_database(self) -> None:
        await self.execute(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {ROLE} OWNER {ROLE}")

    async def kill_backends(self) -> None:
        """End every connection of the service in whatever it is doing, and wait until they are gone."""
        kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = "
        await self.execute(f"{kill} '{ROLE}'")

    def start(self) -> None:
        self._server.start()
        self._socket.unlink(missing_ok=True)
        self._socket.symlink_to(self._server.url.partition("host=")[2].partition("&")[0])

    def crash(self) -> None:
        """What `pg_ctl stop -m immediate` does: no connection is closed properly, nothing more is written."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        self._server.stop()

    def stop(self) -> None:
        self.thaw()
        self._server.stop()

    async def freeze(self) -> None:
        """It accepts connections and takes what is sent, and never answers."""
        connection = await self.connect()
        self._freeze(self._process.pid)
        for (pid,) in await connection.fetch("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"):
            self._freeze(pid)
        connection.terminate()

    def thaw(self) -> None:
        while self._frozen:
            with suppress(ProcessLookupError):
                os.kill(self._frozen.pop(), signal.SIGCONT)

    def _freeze(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._frozen.append(pid)

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        process = self._server._process
        assert process is not None
        return process
