"""How nearly every answer leaves: a Struct, as JSON."""

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.serialization import default_serializer
from litestar.types import Receive, Scope, Send

T = TypeVar("T")

_encode = msgspec.json.Encoder(enc_hook=default_serializer).encode


class JsonResponse(Response[T]):
    """Litestar's response, on a short way where there is no cookie, no background task and nothing but a Struct.

    On the long way an answer takes 8 µs more, a quarter of all that the process does for a request without a row.
    """

    def __init__(
        self,
        content: T,
        *,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        status_code: int | None = None,
        background: Any = None,
        cookies: Any = None,
        type_encoders: Any = None,
        **others: Any,
    ) -> None:
        if cookies or others:
            super().__init__(
                content,
                headers=headers,
                media_type=media_type,
                status_code=status_code,
                background=background,
                cookies=cookies,
                type_encoders=type_encoders,
                **others,
            )
            return
        self.content = content
        self.headers = {**headers} if headers else {}
        self.media_type = media_type
        self.status_code = status_code
        self.background = background
        self.cookies = []
        self.encoding = "utf-8"
        self.response_type_encoders = type_encoders or {}

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        headers: dict[str, str] | None = None,
        cookies: Iterable[Any] | None = None,
        background: Any = None,
        media_type: Any = None,
        status_code: int | None = None,
        **others: Any,
    ) -> ASGIResponse:
        """See Litestar's."""
        # `type_encoders` are for types that no Struct of ours has.
        is_more = cookies or self.cookies or background or self.background or others.get("is_head_response")
        if is_more or not isinstance(self.content, msgspec.Struct):
            return super().to_asgi_response(
                app,
                request,
                headers=headers,
                cookies=cookies,
                background=background,
                media_type=media_type,
                status_code=status_code,
                **others,
            )
        own = [_content_type(self.media_type or media_type or "application/json")]
        body = _encode(self.content)
        own.append((b"content-length", b"%d" % len(body)))
        if headers or self.headers:
            own = list(_replaced(own, {**(headers or {}), **self.headers}).items())
        return _Messages(self.status_code or status_code or 200, own, body)


@lru_cache(64)
def _content_type(media_type: str | Enum) -> tuple[bytes, bytes]:
    value: str = media_type.value if isinstance(media_type, Enum) else media_type
    return b"content-type", value.encode("latin-1")


def _replaced(own: Iterable[tuple[bytes, bytes]], given: Mapping[str, str]) -> dict[bytes, bytes]:
    """Return the headers of an answer, with those in the place of its own that the handler gives."""
    return {**dict(own), **{name.lower().encode("latin-1"): value.encode("latin-1") for name, value in given.items()}}


class _Messages(ASGIResponse):
    """The two messages of an answer, and no more."""

    def __init__(self, status_code: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._start = {"type": "http.response.start", "status": status_code, "headers": headers}
        self._body = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        await send(self._start)  # type: ignore[arg-type]
        await send(self._body)  # type: ignore[arg-type]
