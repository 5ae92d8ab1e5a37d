"""The parts of Litestar that are no documented API behave as the service relies on."""

from typing import Any

import pytest
from litestar import Controller, Litestar, Request, get, post
from litestar.connection import ASGIConnection
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import FromPath, JSONBody, URLEncodedBody
from litestar.routes import HTTPRoute
from msgspec import Struct

from cms_service.api import DirectGuards
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
