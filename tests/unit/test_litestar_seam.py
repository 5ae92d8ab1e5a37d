"""The parts of Litestar that are no documented API behave as the service relies on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Controller, Litestar, Request, get, post
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import FromPath, JSONBody, URLEncodedBody
from litestar.routes import HTTPRoute
from msgspec import Struct

from cms_service.api import DirectDependencies, DirectGuards
from cms_service.api.litestar_seam import find_route, guards_of, keep_body, keep_form, keep_json
from cms_service.app import create_app
from tests.unit.asgi import exchange
from tests.unit.settings import edge_settings

SEEN: list[tuple[str, object]] = []


def guard(name: str) -> Any:
    """A guard that tells which handler it was given."""

    async def note(_: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        SEEN.append((name, handler))

    return note


OF_APP, OF_CONTROLLER, OF_HANDLER = guard("application"), guard("controller"), guard("handler")


class ThingController(Controller):
    path = "/things"
    guards = (OF_CONTROLLER,)

    @get("/{name:str}", guards=[OF_HANDLER])
    async def get_thing(self, name: FromPath[str]) -> str:
        return name

    @post("/{name:str}")
    async def post_thing(self, name: FromPath[str]) -> str:
        return name


def http_handlers(app: Litestar) -> list[HTTPRouteHandler]:
    """Every handler that a module of the service or a test has declared."""
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    return [handler for route in routes for handler in route.route_handlers if "OPTIONS" not in handler.http_methods]


@pytest.fixture(scope="module")
def app() -> Litestar:
    return Litestar([ThingController], guards=[OF_APP], plugins=[DirectGuards()], openapi_config=None)


@pytest.fixture(scope="module")
def service() -> Litestar:
    return create_app(edge_settings()).litestar


async def test_guards_run_on_the_handler_itself_those_of_the_application_first(app: Litestar) -> None:
    SEEN.clear()
    answer = await exchange(app, "GET", "/things/a")
    assert answer.status == 200

    (handler,) = [handler for handler in http_handlers(app) if handler.handler_name == "get_thing"]
    assert [name for name, _ in SEEN] == ["application", "controller", "handler"]
    assert all(seen is handler for _, seen in SEEN)
    assert list(guards_of(handler)) == [OF_APP, OF_CONTROLLER, OF_HANDLER]


async def test_litestar_copies_the_handler_otherwise() -> None:
    SEEN.clear()
    plain = Litestar([ThingController], openapi_config=None)
    await exchange(plain, "GET", "/things/a")
    # The short cut can go when this fails.
    assert [seen for _, seen in SEEN if seen in http_handlers(plain)] == []


async def test_guards_of_every_route_of_the_service_run_directly(service: Litestar) -> None:
    handlers = http_handlers(service)
    assert len(handlers) > 70
    for handler in handlers:
        assert "authorize_connection" in vars(handler), handler


TASKS: list[asyncio.Task[Any] | None] = []
"""The task in which each provider was called."""


class Session:
    is_open = True


async def provide_session(request: Request[Any, Any, Any]) -> AsyncIterator[Session]:
    session = Session()
    yield session
    session.is_open = False
    request.app.state.ended = session


def provide_path(request: Request[Any, Any, Any]) -> str:
    TASKS.append(asyncio.current_task())
    return request.url.path


def provide_first(session: Session, path: str) -> str:
    TASKS.append(asyncio.current_task())
    return f"{session.is_open} {path}"


def provide_second(session: Session, first: str) -> str:
    TASKS.append(asyncio.current_task())
    return f"{session.is_open} after {first}"


def provide_third(session: Session) -> str:
    TASKS.append(asyncio.current_task())
    return str(session.is_open)


async def provide_fourth(request: Request[Any, Any, Any]) -> str:
    return f"awaited {request.url.path}"


def provide_fifth(request: Request[Any, Any, Any], session: Session) -> str:
    return f"{request.url.path} {session.is_open}"


def provide_sixth() -> str:
    return "without arguments"


def provide_seventh(request: Request[Any, Any, Any]) -> object:
    """Cached: the same one for every request."""
    return object()


PROVIDERS = {
    "session": Provide(provide_session),
    "path": Provide(provide_path, sync_to_thread=False),
    "first": Provide(provide_first, sync_to_thread=False),
    "second": Provide(provide_second, sync_to_thread=False),
    "third": Provide(provide_third, sync_to_thread=False),
    "fourth": Provide(provide_fourth),
    "fifth": Provide(provide_fifth, sync_to_thread=False),
    "sixth": Provide(provide_sixth, sync_to_thread=False),
    "seventh": Provide(provide_seventh, use_cache=True, sync_to_thread=False),
}


@get("/injected", dependencies=PROVIDERS)
async def get_injected(path: str, second: str, third: str) -> list[str]:
    return [path, second, third]


@get("/others", dependencies=PROVIDERS)
async def get_others(request: Request[Any, Any, Any], fourth: str, fifth: str, sixth: str, seventh: Any) -> list[str]:
    request.app.state.cached = seventh
    return [fourth, fifth, sixth]


def fail(request: Request[Any, Any, Any]) -> str:
    raise NotFoundException(request.url.path)


@get("/failing", dependencies={"path": Provide(fail, sync_to_thread=False)})
async def get_failing(path: str) -> str:
    return path


def injecting(*plugins: DirectDependencies) -> Litestar:
    TASKS.clear()
    return Litestar([get_injected, get_others, get_failing], plugins=plugins, openapi_config=None)


async def test_providers_are_called_in_the_task_of_the_request_each_after_those_it_needs() -> None:
    app = injecting(DirectDependencies())
    answer = await exchange(app, "GET", "/injected")
    assert answer.json() == ["/injected", "True after True /injected", "True"]
    assert [asyncio.current_task()] * 4 == TASKS
    assert not app.state.ended.is_open


async def test_litestar_starts_tasks_for_providers_otherwise() -> None:
    answer = await exchange(injecting(), "GET", "/injected")
    assert answer.json() == ["/injected", "True after True /injected", "True"]
    # The short cut can go when this fails.
    assert set(TASKS) != {asyncio.current_task()}


async def test_providers_that_need_more_than_a_call_with_the_request_are_left_to_litestar() -> None:
    app = injecting(DirectDependencies())
    answer = await exchange(app, "GET", "/others")
    assert answer.json() == ["awaited /others", "/others True", "without arguments"]

    cached = app.state.cached
    await exchange(app, "GET", "/others")
    assert app.state.cached is cached


async def test_error_of_a_provider_is_answered() -> None:
    answer = await exchange(injecting(DirectDependencies()), "GET", "/failing")
    assert (answer.status, answer.json()["detail"]) == (404, "/failing")


def test_no_route_of_the_service_resolves_two_dependencies_at_once(service: Litestar) -> None:
    routes = [route for route in service.routes if isinstance(route, HTTPRoute)]
    left = {
        (method, route.path): [sorted(each.key for each in batch) for batch in arguments.dependency_batches]
        for route in routes
        for method, (_, arguments) in route.route_handler_map.items()
    }
    assert len(left) > 70
    assert [batches for batches in left.values() if any(len(batch) > 1 for batch in batches)] == []
    # Without a unit of work, nothing is left to Litestar.
    assert [key for key, batches in left.items() if batches and batches[0] != ["work"]] == []
    assert left["POST", "/api/v1/access/evaluation"] == left["GET", "/api/v1/users/me"] == []


class Thing(Struct):
    name: str


async def test_body_that_is_kept_takes_the_place_of_the_request_s() -> None:
    async def keep(request: Request[Any, Any, Any]) -> None:
        keep_body(request, b'{"name": "kept"}')

    @post("/", before_request=keep)
    async def handler(request: Request[Any, Any, Any], data: JSONBody[Thing]) -> list[str]:
        return [data.name, (await request.body()).decode()]

    answer = await exchange(Litestar([handler], openapi_config=None), "POST", "/", body=b'{"name": "sent"}')
    assert answer.json() == ["kept", '{"name": "kept"}']


async def test_value_that_is_kept_is_injected_instead_of_the_decoded_body() -> None:
    async def keep(request: Request[Any, Any, Any]) -> None:
        keep_json(request, Thing("kept"))

    @post("/", before_request=keep)
    async def handler(data: JSONBody[Thing]) -> str:
        return data.name

    answer = await exchange(Litestar([handler], openapi_config=None), "POST", "/", body=b"no JSON")
    assert (answer.status, answer.body) == (201, b"kept")


async def test_form_that_is_kept_is_injected_instead_of_the_parsed_body() -> None:
    async def keep(request: Request[Any, Any, Any]) -> None:
        keep_form(request, {"name": "kept"})

    @post("/", before_request=keep)
    async def handler(data: URLEncodedBody[Thing]) -> str:
        return data.name

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await exchange(Litestar([handler], openapi_config=None), "POST", "/", headers=headers, body=b"name=sent")
    assert (answer.status, answer.body) == (201, b"kept")


@pytest.mark.parametrize("path", ["/things/a", "/things/a/"])
def test_route_is_found_with_its_template_and_methods(app: Litestar, path: str) -> None:
    template, methods = find_route(app, path)
    assert template == "/things/{name}"
    assert {name.strip() for name in methods.split(",")} == {"GET", "OPTIONS", "POST"}


def test_route_is_not_found_where_there_is_none(app: Litestar) -> None:
    with pytest.raises(NotFoundException):
        find_route(app, "/nowhere")
