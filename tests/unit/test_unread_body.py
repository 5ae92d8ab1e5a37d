import asyncio
from typing import Any

import pytest

from cms_service.api import unread_body
from cms_service.api.unread_body import UnreadBody


class Client:
    """Sends pieces of a body, and then no more."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.pieces = list(pieces)
        self._ends = ends

    async def receive(self) -> dict[str, Any]:
        if not self.pieces:
            await asyncio.Event().wait()
        body = self.pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.pieces) or not self._ends}

    def body(self, *headers: tuple[bytes, bytes]) -> UnreadBody:
        scope: Any = {"headers": list(headers)}
        receive: Any = self.receive
        return UnreadBody(scope, receive)


async def test_rest_is_taken_in_when_only_a_part_was_wanted() -> None:
    client = Client(b"a", b"b", b"c")
    body = client.body()
    await body.receive()
    await body.drain()
    assert client.pieces == []


async def test_nothing_is_awaited_when_the_body_was_read() -> None:
    body = Client(b"a").body()
    await body.receive()
    await body.drain()


async def test_rest_is_left_when_it_is_too_much() -> None:
    piece = b"x" * (unread_body.MOST_BYTES // 4)
    client = Client(*[piece] * 100)
    await client.body().drain()
    assert len(client.pieces) == 95


async def test_client_is_given_up_when_it_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread_body, "SECONDS", 0)
    await Client(b"a", ends=False).body().drain()


async def test_client_is_not_told_to_send_when_it_asks_first() -> None:
    client = Client(b"a")
    await client.body((b"expect", b"100-continue")).drain()
    assert client.pieces == [b"a"]
