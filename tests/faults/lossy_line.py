"""A line to PostgreSQL that can lose the answer to a COMMIT."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url

from tests.fixtures import Database

CHUNK_BYTES = 65_536
COMMIT = b"COMMIT;"


class LossyLine:
    """Stands between a service and its database, and passes on what either says."""

    def __init__(self, database: Database, directory: Path) -> None:
        url = make_url(database.url)
        self._target = f"{url.query['host']}/.s.PGSQL.{url.query.get('port', '5432')}"
        self._socket = directory / ".s.PGSQL.5432"
        self._loses_commit_of: bytes | None = None
        self.lost = 0
        self.database = Database(
            database.name, f"postgresql+asyncpg://postgres@/{database.name}?host={directory}&port=5432"
        )

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def lose_next_commit_of(self, text: str) -> None:
        """Of the next connection that has sent `text` before."""
        self._loses_commit_of = text.encode()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._target)
        connection = _Connection()
        ways = (
            asyncio.create_task(self._pass_questions(reader, server_writer, connection)),
            asyncio.create_task(self._pass_answers(server_reader, writer, connection)),
        )
        with suppress(OSError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, server_writer):
            end.close()

    async def _pass_questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: "_Connection"
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._loses_commit_of is not None:
                connection.is_doomed |= self._loses_commit_of in data
                if connection.is_doomed and COMMIT in data:
                    connection.is_mute = True
                    self._loses_commit_of = None
            writer.write(data)
            await writer.drain()

    async def _pass_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: "_Connection"
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if connection.is_mute:
                # PostgreSQL has answered, so it is committed.
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()


class _Connection:
    def __init__(self) -> None:
        self.is_doomed = False
        self.is_mute = False
