"""HTTP/1.1 over one connection, for latencies: a whole client would take longer than the service."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import msgspec

from tests.benchmarks.servers import Server
from tests.processes import connections_of

LONGEST_ANSWER_SECONDS = 10
MOST_CONNECTIONS = 200


class Wire:
    """Keeps its connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Server) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    @property
    def local_port(self) -> int:
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(request)
        async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            return int(head[9:12]), await self._reader.readexactly(int(length or 0))


def request(method: str, path: str, access_token: str, body: Mapping[str, Any] | None = None) -> bytes:
    content = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {access_token}"]
    lines += [f"Content-Length: {len(content)}"] + ["Content-Type: application/json"] * bool(content)
    return "\r\n".join([*lines, "", ""]).encode() + content


@asynccontextmanager
async def open_to_each_worker(server: Server, workers: int) -> AsyncIterator[list[Wire]]:
    """A connection to each worker: chance decides who accepts one, so there are as many as it takes."""
    found: dict[int, Wire] = {}
    async with AsyncExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            wire = await stack.enter_async_context(Wire.open(server))
            await wire.send(request("GET", "/health/live", ""))
            found.setdefault(_worker_of(server, wire.local_port), wire)
            if len(found) == workers:
                break
        else:
            raise RuntimeError(f"{MOST_CONNECTIONS} connections reach {len(found)} of {workers} workers")
        yield list(found.values())


def _worker_of(server: Server, client_port: int) -> int:
    """The process that holds the other end."""
    ends = server.port, client_port
    return next(pid for pid in server.children if ends in connections_of(pid))
