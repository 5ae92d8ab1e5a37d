"""How nearly every answer leaves: a Struct, as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.serialization import default_serializer
from litestar.types import Receive, Scope, Send
from litestar.utils.helpers import get_enum_string_value

T = TypeVar("T")

_encode = msgspec.json.Encoder(enc_hook=default_serializer).encode


class JsonResponse(Response[T]):
    """Litestar's response, on a short way where there is no cookie, no task for afterwards and nothing but a Struct.

    On the long way, an answer takes more time than all that is done to find out who is calling.
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
        **others: Any,
    ) -> None:
        if cookies or any(others.values()):
            super().__init__(
                content,
                headers=headers,
                media_type=media_type,
                status_code=status_code,
                background=background,
                cookies=cookies,
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
        self.response_type_encoders = {}

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
        is_more = cookies or self.cookies or background or self.background or any(others.values())
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
        body = _encode(self.content)
        fields = {"content-type": get_enum_string_value(self.media_type or media_type or "application/json")}
        fields["content-length"] = str(len(body))
        for given in (headers, self.headers):
            if given:
                fields.update({name.lower(): value for name, value in given.items()})
        return _Messages(self.status_code or status_code or 200, fields, body)


class _Messages(ASGIResponse):
    """What is sent, and no more."""

    def __init__(self, status_code: int, fields: Mapping[str, str], body: bytes) -> None:
        self._start = {
            "type": "http.response.start",
            "status": status_code,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()],
        }
        self._body = {"type": "http.response.body", "body": body, "more_body": False}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI calls it
        await send(self._start)  # type: ignore[arg-type]
        await send(self._body)  # type: ignore[arg-type]
