"""Takes in what a client is still sending when it is refused already."""

import asyncio
from contextlib import suppress

from litestar.types import HTTPReceiveMessage, HTTPScope, Receive

MOST_BYTES = 1024 * 1024
SECONDS = 1


class UnreadBody:
    """Hands the body of a request on, and knows how it ended.

    A connection that is closed on a client which is still sending is reset, and the answer may be lost with it
    (RFC 9112 §9.6). So a little more than any body may have is read and dropped first, for a little while.
    """

    def __init__(self, scope: HTTPScope, receive: Receive) -> None:
        self._headers = scope["headers"]
        self._receive = receive
        self._is_begun = False
        self._is_over = False

    async def receive(self) -> HTTPReceiveMessage:
        message: HTTPReceiveMessage = await self._receive()  # type: ignore[assignment]
        self._is_begun = True
        self._is_over = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Nothing is on its way any more, or it was too much or too slow."""
        # A client that asks first sends nothing before it is told to (RFC 9110 §10.1.1).
        if not self._is_begun and any(name == b"expect" for name, _ in self._headers):
            return
        dropped_bytes = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not self._is_over and dropped_bytes <= MOST_BYTES:
                    message = await self.receive()
                    dropped_bytes += len(message["body"]) if message["type"] == "http.request" else 0
