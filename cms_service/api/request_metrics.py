"""Counting requests and what becomes of them. No label holds anything that a client has chosen."""

from collections.abc import Callable

from litestar.types import Scope

from cms_service.core.exceptions import RateLimited, RefreshTokenReused
from cms_service.core.observability import Metrics

UNMATCHED = "unmatched"
"""In place of the template of a route, where a request fits none."""
SIGN_IN = ("POST", "/api/v1/auth/login")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SIGN_IN_OUTCOMES = {200: "succeeded", 401: "refused", 429: "throttled", None: "abandoned"}
_UNAVAILABLE = "unavailable"
_MALFORMED = "malformed"
_THROTTLE_POLICIES = ("account", "device", "network", "session")


def known_method(method: str) -> str:
    """The method, or one word for all that a client may make up."""
    return method if method in _METHODS else "other"


class RequestMetrics:
    """What the envelope tells of every request."""

    def __init__(self, metrics: Metrics) -> None:
        self.in_progress = 0
        self._metrics = metrics
        metrics.gauge("cms_http_requests_in_progress", "Requests that are being answered.", lambda: self.in_progress)
        self._durations = metrics.durations(
            "cms_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer, by route.",
            ["method", "path", "status"],
        )
        self._sign_ins = metrics.events(
            "cms_sign_ins",
            "Sign-ins by what became of them.",
            "outcome",
            [*_SIGN_IN_OUTCOMES.values(), _UNAVAILABLE, _MALFORMED],
        )
        self._observers: dict[tuple[str, str, int | None], Callable[[float], None]] = {}

    def ended(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """`path` is the template of the route. What belongs to a route is looked up once: this is on every request."""
        key = (method, path, status)
        observe = self._observers.get(key)
        if observe is None:
            observe = self._observers[key] = self._observer(method, path, status)
        observe(seconds)

    def _observer(self, method: str, path: str, status: int | None) -> Callable[[float], None]:
        observe = self._metrics.tallied(self._durations.labels(method, path, str(status or "unanswered")))
        if (method, path) != SIGN_IN:
            return observe
        sign_ins = self._sign_ins.labels(_sign_in_outcome(status))

        def observe_sign_in(seconds: float) -> None:
            observe(seconds)
            sign_ins.inc()

        return observe_sign_in


def _sign_in_outcome(status: int | None) -> str:
    """None is the status of a request whose client left before the answer began."""
    if status is not None and status >= 500:
        return _UNAVAILABLE
    return _SIGN_IN_OUTCOMES.get(status, _MALFORMED)


class RefusalMetrics:
    """Litestar's `after_exception` hook: refusals that operators want to know of."""

    def __init__(self, metrics: Metrics) -> None:
        self._reuses = metrics.events(
            "cms_refresh_reuse_detected", "Spent refresh tokens that came back, each of which ended a session."
        )
        self._throttled = metrics.events(
            "cms_throttled_attempts", "Requests that had to wait, by what held them up.", "policy", _THROTTLE_POLICIES
        )

    async def __call__(self, error: Exception, _: Scope) -> None:
        """The refusal is counted."""
        match error:
            case RefreshTokenReused():
                self._reuses.inc()
            case RateLimited():
                self._throttled.labels(error.policy).inc()
