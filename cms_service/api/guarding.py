"""Runs the guards of a route on its handler itself."""

from functools import partial
from typing import Any

from litestar import delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute


class Guarding(ReceiveRoutePlugin):
    """Litestar hands every guard a copy of the handler, which costs more than the guard. Ours change nothing on it."""

    def receive_route(self, route: BaseRoute) -> None:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                # Litestar makes those for OPTIONS itself; the envelope answers before they do.
                if isinstance(handler, delete | get | patch | post | put):
                    handler.authorize_connection = partial(authorize, handler)  # type: ignore[method-assign]


async def authorize(handler: HTTPRouteHandler, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Return where every guard of the route admits the request. Raises as the guards do."""
    for guard in handler.resolve_guards():
        await guard(connection, handler)  # type: ignore[misc]  # All of ours are coroutines.
