"""What every exchange has in common, whatever answers it: an id, safe headers, one log line, and an answer at all."""

import re
import time
from collections.abc import Callable

import msgspec
import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import HTTPScope, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send
from msgspec import UNSET

from cms_service.api.answer_headers import AnswerHeaders
from cms_service.api.base_path import base_path_of, metadata_paths, put_base_path
from cms_service.api.conditional import unless_known
from cms_service.api.exchange import Exchange
from cms_service.api.header_fields import has_field, values_of
from cms_service.api.litestar_seam import find_route
from cms_service.api.problems import (
    PROBLEM_MEDIA_TYPE,
    complete_allow,
    headers_of,
    note_refusal,
    noted_refusal,
    problem_of,
)
from cms_service.api.request_metrics import UNMATCHED, RequestMetrics, known_method
from cms_service.api.request_origin import origin_in, put_origin
from cms_service.core.config import Settings
from cms_service.core.exceptions import InternalError, NotFound, ServiceError, ValidationFailed, Violation
from cms_service.core.observability import LoggedRequest, Metrics, RequestSpan, Tracing, is_probe, request_logger
from cms_service.core.security import Principal

# No address of the service needs an escape, an empty segment or a dot segment. Each would be a second spelling of a
# path, which a proxy in front of us may read in another way than we do. One slash at the end is forgiven.
_CANONICAL_PATH = re.compile(rb"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~:@!$&'()*+,;=-]+)*/?")

# Part of an address as a developer may misspell it. Tokens and ids are longer or hold digits.
_WORD = re.compile(r"[A-Za-z._-]{0,24}|v[0-9]")
MOST_LOGGED_SEGMENTS = 8

_log = structlog.get_logger("cms_service.envelope")


class Envelope:
    """The outermost ASGI application."""

    def __init__(
        self,
        litestar: Litestar,
        settings: Settings,
        has_to_leave: Callable[[], bool] = lambda: False,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.litestar = litestar
        self._requests = RequestMetrics(metrics or Metrics())
        self._tracing = tracing
        self._is_development = settings.is_development
        self._trusted_proxies = settings.trusted_proxies
        self._base_path = base_path_of(settings.public_url)
        self._metadata_paths = metadata_paths(self._base_path)
        self._log = request_logger(settings)
        self._headers = AnswerHeaders(settings, has_to_leave)

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._exchange(_own_copy(scope), receive, send)  # type: ignore[arg-type]
            return
        try:
            await self.litestar(scope, receive, send)
        finally:
            self._log.end()

    async def _exchange(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started_at = time.perf_counter()
        put_origin(scope, self._trusted_proxies)
        put_base_path(scope, self._base_path)
        exchange = Exchange(scope, receive, send, self._headers)
        method: str = scope["method"]
        span: RequestSpan | None = None
        self._requests.in_progress += 1
        structlog.contextvars.bind_contextvars(request_id=origin_in(scope).request_id)
        try:
            span = self._begin_span(scope)
            await self._answer(scope, exchange.receive, exchange.send)
        except Exception:
            _log.exception("escaped_exception")
            if exchange.status is not None:
                raise
            await _refuse(InternalError(), scope, exchange.send)
        finally:
            self._requests.in_progress -= 1
            self._record(scope, known_method(method), exchange.status, time.perf_counter() - started_at, span)

    def _record(
        self, scope: HTTPScope, method: str, status: int | None, seconds: float, span: RequestSpan | None
    ) -> None:
        """Tell metrics, log and trace about a request that has ended."""
        path = scope.get("path_template", UNMATCHED)
        self._requests.ended(method, path, status, seconds)
        principal: Principal | None = scope.get("user")
        self._log.add(
            LoggedRequest(
                method=method,
                path=self._logged_path(scope) if path == UNMATCHED else path,
                status=status,
                code=noted_refusal(scope),
                duration_ms=round(seconds * 1000, 2),
                subject_id=principal.subject_id if principal else None,
                request_id=origin_in(scope).request_id,
                trace_id=span.trace_id if span else UNSET,
            )
        )
        if span:
            span.end(scope.get("path_template"), status)

    def _logged_path(self, scope: HTTPScope) -> str:
        """Shows developers the short words of a path that no route matches; the rest may be a token or an id."""
        if not self._is_development:
            return UNMATCHED
        segments = scope["path"].split("/", MOST_LOGGED_SEGMENTS)
        return "/".join(segment if _WORD.fullmatch(segment) else "…" for segment in segments)

    def _begin_span(self, scope: HTTPScope) -> RequestSpan | None:
        if self._tracing is None or is_probe(scope["path"]):
            return None
        span = self._tracing.request(scope["method"], scope["headers"], origin_in(scope).request_id)
        structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
        return span

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        raw_path = scope.get("raw_path") or scope["path"].encode()
        metadata_path = self._metadata_paths.get(raw_path.removesuffix(b"/"))
        if metadata_path is not None:
            scope["path"] = metadata_path
        if violation := _host_violation(scope):
            await _refuse(ValidationFailed(violation), scope, send)
        elif not _CANONICAL_PATH.fullmatch(raw_path):
            await _refuse(NotFound(), scope, send)
        elif scope["method"] == "OPTIONS" and not self._is_permitted_preflight(scope):
            await self._answer_options(scope, send)
        else:
            if scope["method"] == "HEAD":
                scope["method"] = "GET"
            await self.litestar(scope, receive, unless_known(scope, send))

    def _is_permitted_preflight(self, scope: HTTPScope) -> bool:
        origins = values_of(scope, b"origin")
        return (
            has_field(scope, b"access-control-request-method")
            and self.litestar.cors_config is not None
            and self.litestar.cors_config.is_origin_allowed(origins[-1].decode("latin-1") if origins else "")
        )

    async def _answer_options(self, scope: HTTPScope, send: Send) -> None:
        """Litestar's own answer stands behind the guards and forgets methods that other controllers add to a path."""
        try:
            scope["path_template"], methods = find_route(self.litestar, scope["path"])
        except NotFoundException:
            await _refuse(NotFound(), scope, send)
        else:
            headers = [(b"allow", complete_allow(methods).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _own_copy(scope: HTTPScope) -> HTTPScope:
    """Return a scope that may be changed: the server may use its own for the next request of a connection."""
    return {**scope, "state": {**scope.get("state", {})}}


def _host_violation(scope: HTTPScope) -> Violation | None:
    """Check the header Host (RFC 9112, section 3.2). None where it is right."""
    hosts = values_of(scope, b"host")
    if len(hosts) > 1:
        return Violation("header/Host", "duplicate", "It is given more than once.")
    # The server shows a missing header as an empty one, which no `http` address allows either (RFC 9110, 4.2.1).
    if scope["http_version"] == "1.1" and not any(hosts):
        return Violation("header/Host", "missing", "HTTP/1.1 requires this header.")
    return None


async def _refuse(error: ServiceError, scope: HTTPScope, send: Send) -> None:
    problem = problem_of(error, scope)
    note_refusal(scope, error.code)
    body = msgspec.json.encode(problem)
    headers = {"content-type": PROBLEM_MEDIA_TYPE, "content-length": str(len(body)), **headers_of(error)}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
