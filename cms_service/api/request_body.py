"""Reading the body of a request, within its size and its time."""

import asyncio
import math
import time
from typing import Any

from litestar import Request

from cms_service.api.header_fields import values_of
from cms_service.api.litestar_seam import keep_body
from cms_service.core.exceptions import BodyTooLarge, MalformedJson

BODY_TIMEOUT_SECONDS = 10
MOST_LENGTH_DIGITS = 18
LOOK_SECONDS = 1
"""Interval of the check for late bodies: a timeout is noticed up to this much later."""


class BodyReader:
    """Read bodies of requests.

    Nearly every body is there at once. So one timer looks for the late ones; a timer for each body takes 6 µs a
    request.
    """

    def __init__(self) -> None:
        self._deadlines: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, request: Request[Any, Any, Any]) -> bytes:
        """Return the whole body, also for `request.body()`.

        Raises:
            BodyTooLarge: it is longer than the route allows.
            MalformedJson: it did not arrive in time, or the client left.
        """
        most_bytes = request.route_handler.resolve_request_max_body_size() or math.inf
        if _announced_bytes(request) > most_bytes:
            raise BodyTooLarge
        body = await self._receive_in_time(request, most_bytes)
        keep_body(request, body)
        return body

    async def _receive_in_time(self, request: Request[Any, Any, Any], most_bytes: float) -> bytes:
        task = asyncio.current_task()
        assert task is not None, "requests are answered in tasks"  # noqa: S101 - for the type checker
        cancellations = task.cancelling()
        self._watch(task)
        try:
            return await _receive(request, most_bytes)
        except asyncio.CancelledError:
            # As `asyncio.timeout` does: somebody else may have cancelled the task, too.
            if task in self._late and task.uncancel() <= cancellations:
                raise MalformedJson("The body did not arrive.") from None
            raise
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        self._deadlines[task] = time.monotonic() + BODY_TIMEOUT_SECONDS
        if self._timer is None:
            self._timer = task.get_loop().call_later(LOOK_SECONDS, self._look, task.get_loop())

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for task, deadline in self._deadlines.items():
            if deadline <= now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._timer = loop.call_later(LOOK_SECONDS, self._look, loop) if self._deadlines else None


def _announced_bytes(request: Request[Any, Any, Any]) -> float:
    values = values_of(request.scope, b"content-length")
    if not values or not values[0].isdigit():
        return 0
    # Python refuses to convert thousands of digits.
    return math.inf if len(values[0]) > MOST_LENGTH_DIGITS else int(values[0])


async def _receive(request: Request[Any, Any, Any], most_bytes: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await request.receive()
        if message["type"] != "http.request":
            raise MalformedJson("The body did not arrive.")
        parts.append(message["body"])
        size += len(message["body"])
        if size > most_bytes:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return b"".join(parts)
