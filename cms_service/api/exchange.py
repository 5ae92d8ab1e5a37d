"""One request and its answer, between the server and the application."""

from litestar.types import HTTPReceiveMessage, HTTPScope, Message, Receive, Send

from cms_service.api.answer_headers import AnswerHeaders
from cms_service.api.unread_body import UnreadBody


class Exchange:
    """Hand the messages of a request and its answer on, and complete the answer."""

    __slots__ = ("_body", "_headers", "_is_head", "_scope", "_send", "status")

    def __init__(self, scope: HTTPScope, receive: Receive, send: Send, headers: AnswerHeaders) -> None:
        self._scope = scope
        self._body = UnreadBody(scope, receive)
        self._send = send
        self._headers = headers
        self._is_head = scope["method"] == "HEAD"
        self.status: int | None = None
        """Of the answer, once it has begun."""

    async def receive(self) -> HTTPReceiveMessage:
        """Return the next message of the request."""
        return await self._body.receive()

    async def send(self, message: Message) -> None:
        """Send a message of the answer: its headers completed, and no body where none was asked for."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers.complete(message["headers"], self._scope)
            if self.status >= 400:
                await self._body.drain()
        elif self._is_head and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)
