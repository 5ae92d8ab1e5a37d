"""The page that Prometheus reads. It is no part of the API, and not in its document."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, cast

from litestar import Controller, Request, Response, get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from cms_service.api.client_authentication import authorization_values, credentials_in
from cms_service.core.exceptions import AuthenticationRequired
from cms_service.core.observability import Metrics, Page
from cms_service.core.security import PUBLIC


class MetricsPage:
    """The numbers, together with whether the database can be worked with at this moment."""

    def __init__(self, metrics: Metrics, is_ready: Callable[[], Awaitable[bool]], token: str | None) -> None:
        self._metrics = metrics
        self._ask_database = is_ready
        self._token = token.encode() if token else None
        self._is_ready = metrics.measured(
            "cms_database_ready", "Whether the database answers and is migrated, as found for this page."
        )

    def refuse_strangers(self, authorizations: list[bytes]) -> None:
        """Raises AuthenticationRequired where there is a token and it is not shown."""
        if self._token is None:
            return
        scheme, token = credentials_in(authorizations[0]) if len(authorizations) == 1 else (b"", b"")
        if scheme != b"bearer" or not hmac.compare_digest(token, self._token):
            raise AuthenticationRequired("Send the token of CMS_METRICS_TOKEN in the Authorization header.")

    async def read(self, accept: str) -> Page:
        """What it says now, in the format that the reader accepts."""
        self._is_ready.set(await self._ask_database())
        return await self._metrics.page(accept)


async def known_reader(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Whoever shows the token, if there is one."""
    _page_of(connection.app.state).refuse_strangers(authorization_values(connection.scope))


class MetricsController(Controller):
    path = "/metrics"
    opt = {PUBLIC: True}
    guards = [known_reader]
    include_in_schema = False

    @get()
    async def read(self, request: Request[Any, Any, Any], state: State) -> Response[bytes]:
        """In the text format of Prometheus or OpenMetrics."""
        page = await _page_of(state).read(request.headers.get("accept", ""))
        return Response(page.content, headers={"Content-Type": page.media_type})


def _page_of(state: State) -> MetricsPage:
    return cast(MetricsPage, state.metrics)
