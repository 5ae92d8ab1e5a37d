"""Drives an ASGI application with requests that no HTTP client would send."""

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from litestar.types import ASGIApp

from cms_service.api import Authentication, Envelope
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import Principal


class End(Enum):
    """How the body of a request ends: whole, by a lost connection, or not at all."""

    COMPLETE = auto()
    DISCONNECTS = auto()
    FALLS_SILENT = auto()


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes
    all_headers: list[tuple[str, str]] = []
    """Those, too, that came more than once."""

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def faults(self) -> dict[str, list[str]]:
        """Codes of the violations, by pointer."""
        found: dict[str, list[str]] = {}
        for fault in self.json()["errors"]:
            found.setdefault(fault["pointer"], []).append(fault["code"])
        return found


class NoAccounts:
    """An authenticator of an application without accounts. See `Authenticator`."""

    async def authenticate(self, credential: str) -> Principal:
        raise TokenInvalid(credential)

    async def authenticate_on_behalf(self, caller: Principal, user_token: str) -> Principal:
        raise TokenInvalid(f"{caller} {user_token}")


NOBODY = Authentication(NoAccounts())


async def exchange(
    app: Any,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    body: bytes | Sequence[bytes] = b"",
    client: str = "192.0.2.1",
    end: End = End.COMPLETE,
) -> Answer:
    """Return the whole answer of the application. A body of several pieces arrives in pieces."""
    path, _, query = target.partition("?")
    pieces = [body] if isinstance(body, bytes) else list(body)
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    answer, goes_on = Answer(0, {}, b""), False

    async def receive() -> dict[str, Any]:
        if not pieces and end is End.DISCONNECTS:
            return {"type": "http.disconnect"}
        if not pieces and end is End.FALLS_SILENT:
            await asyncio.Event().wait()
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces) or end is not End.COMPLETE}

    async def send(message: dict[str, Any]) -> None:
        nonlocal goes_on
        goes_on = message.get("more_body", message["type"] == "http.response.start")
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.all_headers = [
                (name.decode().lower(), value.decode("latin-1")) for name, value in message["headers"]
            ]
            answer.headers = dict(answer.all_headers)
        else:
            answer.body += message["body"]

    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "headers": [
            (b"host", b"127.0.0.1"),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in pairs),
        ],
        "client": (client, 4711),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "state": {},
    }
    if isinstance(app, Envelope):
        app._log.end()  # Lines are written at once.
    await cast(ASGIApp, app)(cast(Any, scope), cast(Any, receive), cast(Any, send))
    assert not goes_on
    return answer
