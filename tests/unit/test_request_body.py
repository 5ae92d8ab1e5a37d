"""Bodies that arrive late or not at all, many at once under one timer."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from litestar import Litestar, Request, post
from litestar.types import Receive

from cms_service.api import request_body
from cms_service.api.request_body import BodyReader
from cms_service.core.exceptions import BodyTooLarge, MalformedJson
from tests.eventually import eventually

MOST_BYTES = 100


@post("/", request_max_body_size=MOST_BYTES)
async def handler() -> None: ...


APP = Litestar([handler], openapi_config=None)


class Client:
    """Send what a test tells it to, when it tells it to."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._headers = list(headers)

    def send(self, body: bytes, *, more_body: bool = False) -> None:
        """Send a piece of the body."""
        self._messages.put_nowait({"type": "http.request", "body": body, "more_body": more_body})

    def leave(self) -> None:
        """Close the connection."""
        self._messages.put_nowait({"type": "http.disconnect"})

    @property
    def request(self) -> Request[Any, Any, Any]:
        """The request, whose body is what this client sends."""
        receive: Receive = self._messages.get  # type: ignore[assignment]
        scope: Any = {"type": "http", "headers": self._headers, "state": {}, "route_handler": _registered()}
        return Request(scope, receive)


def _registered() -> Any:
    return APP.routes[0].route_handlers[0]  # type: ignore[union-attr]


@pytest.fixture
def reader() -> BodyReader:
    return BodyReader()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every body is late at once."""
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr(request_body, "LOOK_SECONDS", 0)


async def test_body_is_put_together_and_kept_for_the_handler(reader: BodyReader) -> None:
    client = Client()
    client.send(b"ab", more_body=True)
    client.send(b"", more_body=True)
    client.send(b"c")
    request = client.request

    assert await reader.read(request) == b"abc"
    assert await request.body() == b"abc"


@pytest.mark.parametrize(
    ("length", "is_refused"),
    [
        (b"100", False),
        (b"101", True),
        (b"9" * 30, True),
        (b"9" * 5000, True),
        (b"x", False),
        (b"-101", False),
    ],
    ids=["most", "more", "far more", "absurd", "no number", "negative"],
)
async def test_body_is_refused_before_it_is_read_when_it_announces_too_much(
    reader: BodyReader, length: bytes, is_refused: bool
) -> None:
    client = Client((b"content-length", length))
    reading = asyncio.ensure_future(reader.read(client.request))
    await asyncio.sleep(0)
    assert reading.done() is is_refused

    client.send(b"x" * MOST_BYTES)
    if is_refused:
        with pytest.raises(BodyTooLarge):
            await reading
    else:
        assert await reading == b"x" * MOST_BYTES


async def test_body_is_refused_when_it_is_longer_than_announced(reader: BodyReader) -> None:
    client = Client((b"content-length", b"1"))
    client.send(b"x" * MOST_BYTES, more_body=True)
    client.send(b"x", more_body=True)
    with pytest.raises(BodyTooLarge):
        await reader.read(client.request)


async def test_body_does_not_arrive_when_the_client_leaves(reader: BodyReader) -> None:
    client = Client()
    client.send(b"x", more_body=True)
    client.leave()
    with pytest.raises(MalformedJson):
        await reader.read(client.request)


@pytest.mark.usefixtures("impatient")
async def test_every_late_body_is_given_up(reader: BodyReader) -> None:
    reading = [asyncio.ensure_future(reader.read(Client().request)) for _ in range(5)]
    for outcome in await asyncio.gather(*reading, return_exceptions=True):
        assert isinstance(outcome, MalformedJson)


async def test_only_late_bodies_are_given_up(reader: BodyReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LOOK_SECONDS", 0)
    patient = Client()
    waiting = asyncio.ensure_future(reader.read(patient.request))
    await asyncio.sleep(0)
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0)

    with pytest.raises(MalformedJson):
        await reader.read(Client().request)

    patient.send(b"in time")
    assert await waiting == b"in time"


@pytest.mark.usefixtures("impatient")
async def test_task_goes_on_when_its_body_was_late(reader: BodyReader) -> None:
    async def answer() -> str:
        with pytest.raises(MalformedJson):
            await reader.read(Client().request)
        await asyncio.sleep(0)  # A cancellation that is left over would end it here.
        return "refused"

    task = asyncio.ensure_future(answer())
    assert await task == "refused"
    assert task.cancelling() == 0


async def cancel(task: asyncio.Task[Any], _: BodyReader) -> None:
    """Somebody else cancels the task."""
    task.cancel()


async def cancel_when_late(task: asyncio.Task[Any], reader: BodyReader) -> None:
    """Somebody else cancels the task in the turn in which its body is found to be late."""
    reader._look(asyncio.get_running_loop())
    task.cancel()


@pytest.mark.parametrize("act", [cancel, cancel_when_late])
async def test_cancellation_of_the_request_is_not_taken_for_a_late_body(
    reader: BodyReader, monkeypatch: pytest.MonkeyPatch, act: Callable[[asyncio.Task[Any], BodyReader], Awaitable[None]]
) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0)
    task = asyncio.ensure_future(reader.read(Client().request))
    await asyncio.sleep(0)

    await act(task, reader)

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_timer_ends_when_no_body_is_awaited(reader: BodyReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LOOK_SECONDS", 0)
    client = Client()
    client.send(b"x")
    await reader.read(client.request)
    assert reader._timer is not None
    await eventually(partial(_has_no_timer, reader))


async def _has_no_timer(reader: BodyReader) -> bool:
    return reader._timer is None
