"""Operations that will go: the document says so, and so does every answer that they give."""

import inspect
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import TypeVar

from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from cms_service.api.base_path import public_path

H = TypeVar("H", bound=HTTPRouteHandler)

SUNSET = "sunset"
"""Key of `opt`: the day on which the operation may go, in the form of ISO 8601."""
_HEADERS = "deprecation_headers"
_SUCCESSOR = "successor"
_MEANINGS = {
    "Deprecation": "Since when the operation is deprecated (RFC 9745).",
    "Sunset": "From when on it may be gone (RFC 8594).",
    "Link": "Where the deprecation is described, and what takes the place of the operation (RFC 8288).",
}


def deprecated(*, since: date, sunset: date, successor: str) -> Callable[[H], H]:
    """Marks a handler; stands above `@get` and the like. `successor` is the path of what takes its place."""
    headers = {
        "Deprecation": f"@{_midnight(since).timestamp():.0f}",
        "Sunset": format_datetime(_midnight(sunset), usegmt=True),
    }

    def mark(handler: H) -> H:
        described = handler.description or inspect.getdoc(handler.fn) or ""
        handler.description = f"{described}\n\nDeprecated since {since}. Use `{successor}`: this may go on {sunset}."
        handler.deprecated = True
        handler.response_headers = [
            *(handler.response_headers or ()),
            *(
                ResponseHeader(name, documentation_only=True, description=meaning)
                for name, meaning in _MEANINGS.items()
            ),
        ]
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        handler.opt |= {SUNSET: sunset.isoformat(), _HEADERS: sent, _SUCCESSOR: successor}
        return handler

    return mark


def deprecation_headers(scope: Scope) -> Sequence[tuple[bytes, bytes]]:
    """What every answer has to carry, refusals and previews too: Litestar would put it only on those of the handler."""
    # A request for a path that does not exist has no handler.
    opt = getattr(scope.get("route_handler"), "opt", {})
    if _HEADERS not in opt:
        return ()
    description, successor = public_path(scope, "/schema"), public_path(scope, opt[_SUCCESSOR])
    link = f'<{description}>; rel="deprecation"; type="text/html", <{successor}>; rel="successor-version"'
    return [*opt[_HEADERS], (b"link", link.encode())]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
