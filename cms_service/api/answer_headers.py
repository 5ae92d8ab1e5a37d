"""The headers that every answer has, whatever gives it."""

from collections.abc import Callable, Iterable

from litestar.types import HTTPScope

from cms_service.api.deprecation import deprecation_headers
from cms_service.api.request_origin import origin_in
from cms_service.core.config import Settings

_COMMON = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_HTTPS = (b"strict-transport-security", b"max-age=31536000")
_VARY = (b"vary", b"Origin")


class AnswerHeaders:
    """Complete the headers of answers."""

    def __init__(self, settings: Settings, has_to_leave: Callable[[], bool]) -> None:
        self._common = (*_COMMON, _HTTPS) if settings.public_url.startswith("https://") else _COMMON
        self._names = frozenset(name for name, _ in self._common)
        self._depends_on_origin = bool(settings.cors_origins)
        self._has_to_leave = has_to_leave

    def complete(self, headers: Iterable[tuple[bytes, bytes]], scope: HTTPScope) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer with those added that it does not have itself."""
        completed = [*headers, *deprecation_headers(scope)]
        own = {name.lower() for name, _ in completed}
        if own.isdisjoint(self._names):
            completed += self._common
        else:
            completed += [header for header in self._common if header[0] not in own]
        completed.append((b"x-request-id", origin_in(scope).request_id.encode()))
        # Litestar adds it for listed origins only. Without it, a shared cache would give them the answer to another
        # request, which has no CORS headers.
        if self._depends_on_origin and _VARY not in completed:
            completed.append(_VARY)
        if self._has_to_leave():
            completed.append((b"connection", b"close"))
        return completed
