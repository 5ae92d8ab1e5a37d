import asyncio
from typing import Any

import pytest
from litestar.types import Message

from cms_service.api import exchange
from cms_service.api.answer_headers import AnswerHeaders
from cms_service.api.exchange import Exchange
from cms_service.api.request_origin import put_origin
from tests.unit.settings import edge_settings


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

    def exchange(self, sent: list[bytes], *headers: tuple[bytes, bytes]) -> Exchange:
        """The bodies of the answer go to `sent`."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                sent.append(message["body"])

        scope: Any = {"method": "POST", "headers": list(headers), "state": {}, "client": None}
        put_origin(scope, ())
        receive: Any = self.receive
        return Exchange(scope, receive, send, AnswerHeaders(edge_settings(), lambda: False))

    def body(self, *headers: tuple[bytes, bytes]) -> Exchange:
        """An exchange that is not answered."""
        return self.exchange([], *headers)


async def _answer(exchange: Exchange, content: bytes) -> None:
    await exchange.send({"type": "http.response.body", "body": content, "more_body": False})


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
    piece = b"x" * (exchange.MOST_UNREAD_BYTES // 4)
    client = Client(*[piece] * 100)
    await client.body().drain()
    assert len(client.pieces) == 95


async def test_client_is_given_up_when_it_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "UNREAD_SECONDS", 0)
    await Client(b"a", ends=False).body().drain()


async def test_client_is_not_told_to_send_when_it_asks_first() -> None:
    client = Client(b"a")
    await client.body((b"expect", b"100-continue")).drain()
    assert client.pieces == [b"a"]


async def test_bodies_are_asked_for_together_and_answered_together() -> None:
    events: list[bytes] = []

    async def request(name: bytes) -> None:
        its = Client(name).exchange(events)
        events.append(b"begin")
        await its.receive()
        events.append(b"answer")
        await _answer(its, name)

    await asyncio.gather(request(b"1"), request(b"2"))
    assert events == [b"begin", b"begin", b"answer", b"answer", b"1", b"2"]


@pytest.mark.parametrize("status", [200, 404])
async def test_answer_to_a_request_without_a_body_leaves_at_once(status: int) -> None:
    sent: list[bytes] = []
    exchange = Client(b"").exchange(sent)

    async def answer() -> None:
        await exchange.send({"type": "http.response.start", "status": status, "headers": []})
        await _answer(exchange, b"1")

    with pytest.raises(StopIteration):
        answer().send(None)
    assert sent == [b"1"]
