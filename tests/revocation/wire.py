"""HTTP/1.1 as far as these tests need it, many times cheaper than a whole client: the service is to be kept busy."""

import asyncio
import json
from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection that is kept open. One request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, port: int) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, method: str, path: str, credential: str, body: Any = None) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {credential}\r\nIf-Match: *\r\n"
        if content:
            head += "Content-Type: application/json\r\n"
        async with self._turn:
            self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            async with asyncio.timeout(30):
                answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = answer.partition("content-length:")[2].partition("\r\n")[0]
                return Answer(int(answer[9:12]), await self._reader.readexactly(int(length or 0)))

    def close(self) -> None:
        self._writer.close()
