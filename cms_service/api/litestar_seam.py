"""All that the service uses of Litestar beyond its documented API. An upgrade is checked here first.

`tests/unit/test_litestar_seam.py` fails where a new version has changed what is relied on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

from litestar import Litestar, Request, delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.utils import normalize_path
from litestar.utils.scope.state import ScopeState

AsyncGuard: TypeAlias = Callable[[ASGIConnection[Any, Any, Any, Any], HTTPRouteHandler], Awaitable[None]]
"""Litestar runs others in threads, and wraps them."""


class DirectGuards(ReceiveRoutePlugin):
    """Run the guards of a route on its handler itself.

    Litestar copies the handler for every request, so that guards cannot change it. Ours do not, and the copy takes
    18 µs: nearly as long as all that Litestar does for a bare route.
    """

    def receive_route(self, route: BaseRoute) -> None:
        """Take the place of Litestar's own method on every handler of the route."""
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                # Litestar makes those for OPTIONS itself; the envelope answers before they do.
                if isinstance(handler, delete | get | patch | post | put):
                    handler.authorize_connection = partial(_authorize, handler)  # type: ignore[method-assign]


async def _authorize(handler: HTTPRouteHandler, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    for guard in guards_of(handler):
        await guard(connection, handler)


class DirectDependencies(ReceiveRoutePlugin):
    """Call providers that need only the request as plain functions; resolve the others one after the other.

    Litestar converts the arguments of a provider, awaits a coroutine, and enters a context that could end it: 9 µs of a
    decision. Where two could run at the same time, it starts a task for each: 45 µs. None of ours waits for anything.
    """

    def receive_route(self, route: BaseRoute) -> None:
        """Change how the arguments of every handler of the route are found."""
        if isinstance(route, HTTPRoute):
            for _, arguments in route.route_handler_map.values():
                dependencies = [each for batch in arguments.dependency_batches for each in batch]
                arguments.dependency_batches = [{each} for each in dependencies if not _is_direct(each.provide)]
                arguments.extractors += [
                    _direct(each.key, each.provide.dependency) for each in dependencies if _is_direct(each.provide)
                ]


def _is_direct(provider: Provide) -> bool:
    is_generator = provider.has_sync_generator_dependency or provider.has_async_generator_dependency
    is_function = provider.has_sync_callable and not is_generator and not provider.use_cache
    return is_function and set(provider.signature_model._fields) == {"request"}


def _direct(name: str, provide: Callable[..., Any]) -> Callable[[dict[str, Any], Any], Awaitable[None]]:
    async def put(arguments: dict[str, Any], request: Any) -> None:
        arguments[name] = provide(request=request)

    return put


def guards_of(handler: HTTPRouteHandler) -> Sequence[AsyncGuard]:
    """Return the guards of a route in their order, those of the application first."""
    return cast("Sequence[AsyncGuard]", handler.resolve_guards())


def keep_body(request: Request[Any, Any, Any], body: bytes) -> None:
    """Have `request.body()` return this."""
    ScopeState.from_scope(request.scope).body = body


def keep_json(request: Request[Any, Any, Any], value: Any) -> None:
    """Have Litestar inject the value as `data` instead of decoding the body."""
    ScopeState.from_scope(request.scope).json = value


def keep_form(request: Request[Any, Any, Any], form: Mapping[str, str]) -> None:
    """Have Litestar inject a form of these members as `data`.

    Litestar would parse the body again and keep it in a process-wide cache, with the secrets in it.
    """
    ScopeState.from_scope(request.scope).form = form  # type: ignore[assignment]


def find_route(litestar: Litestar, path: str) -> tuple[str, str]:
    """Return the template of the route for a path, and the methods it has, separated by commas.

    Raises:
        NotFoundException: there is none.
    """
    route = litestar.asgi_router.handle_routing
    path = normalize_path(path)
    template = route(path=path, method="OPTIONS")[4]
    try:
        route(path=path, method="no method at all")
    except MethodNotAllowedException as error:
        return template, (error.headers or {})["allow"]
    raise RuntimeError("Litestar routes methods that no route has.")
