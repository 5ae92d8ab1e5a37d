"""Holds over every route there is, by the route table and the OpenAPI document: a new one is covered by itself."""

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import asyncpg
import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from cms_service.api import Authentication
from cms_service.core.security import PUBLIC, authenticated, authenticated_user, requires
from tests.api import given
from tests.api.operations import DOCUMENT, LITESTAR, OPERATIONS, Operation
from tests.api.problems import code_of
from tests.fixtures import Caller, Register

FOR_EVERYONE = {
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/token",
    "POST /api/v1/auth/revoke",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/authzen-configuration",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /",
    "GET /docs",
    "GET /problems",
    "GET /problems/{code:str}",
    "GET /schema",
    "GET /schema/openapi.json",
    "GET /schema/{path:str}",
    "GET /schema/assets/{digest:str}/{name:str}",
}
FOR_EVERYONE_SIGNED_IN = {
    "reauthenticate",
    "evaluateAccess",
    "evaluateAccesses",
    "searchResources",
    "searchActions",
    "explainAccess",
    "getMe",
    "updateMe",
    "changeMyPassword",
    "listMyPermissions",
    "listMySessions",
    "endAllMySessions",
    "endMySession",
}


def handlers() -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every handler with its name: method and path."""
    for route in LITESTAR.routes:
        assert isinstance(route, HTTPRoute), f"{route.path} is not HTTP: say here who may use it"
        for handler in route.route_handlers:
            # Litestar adds OPTIONS by itself; it tells the methods and nothing else.
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                yield f"{method} {route.path}", handler


def permissions_of(handler: HTTPRouteHandler) -> set[str]:
    return {guard.permission for guard in handler.resolve_guards() if isinstance(guard, requires)}


HANDLERS = dict(handlers())
NEEDED = {str(handler.operation_id): permissions_of(handler) for handler in HANDLERS.values()}
GUARDED = [operation for operation in OPERATIONS if NEEDED[operation.id]]
PERMISSIONS = sorted(set().union(*NEEDED.values()))


def is_public(operation: Operation) -> bool:
    return re.sub(r"(\{\w+)\}", r"\1:uuid}", f"{operation.method} {operation.path}") in FOR_EVERYONE


@pytest.fixture(scope="module")
async def member(register: Register) -> Caller:
    return await register()


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_route_has_a_guard_unless_it_is_for_everyone(name: str) -> None:
    handler = HANDLERS[name]
    is_guarded = bool(permissions_of(handler)) or not {authenticated, authenticated_user}.isdisjoint(
        handler.resolve_guards()
    )
    assert is_guarded != (name in FOR_EVERYONE)


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_caller_is_authenticated_before_any_other_guard_decides(name: str) -> None:
    first, *others = HANDLERS[name].resolve_guards()
    assert isinstance(first, Authentication)
    assert not any(isinstance(guard, Authentication) for guard in others)


def test_service_is_taken_by_a_handler_when_its_controller_provides_it() -> None:
    taken: dict[str, set[str]] = defaultdict(set)
    provided: dict[str, set[str]] = defaultdict(set)
    for handler in HANDLERS.values():
        function = handler.fn
        while isinstance(function, partial):
            function = function.func
        controller = function.__qualname__.partition(".")[0]
        taken[controller] |= handler.parsed_fn_signature.parameters.keys()
        provided[controller] |= handler.resolve_dependencies().keys() - {"work"}

    assert sum(map(len, provided.values())) > 20
    assert {name: services - taken[name] for name, services in provided.items() if services - taken[name]} == {}


def test_list_for_everyone_names_only_routes_that_exist() -> None:
    assert HANDLERS.keys() >= FOR_EVERYONE
    assert NEEDED.keys() >= FOR_EVERYONE_SIGNED_IN


def test_guarded_route_is_never_marked_public() -> None:
    assert {name for name, handler in HANDLERS.items() if handler.opt.get(PUBLIC)} <= FOR_EVERYONE


async def test_permission_that_a_guard_asks_for_is_seeded_and_the_other_way_round(db: asyncpg.Connection) -> None:
    seeded = await db.fetch("SELECT name FROM permissions WHERE is_system AND name <> '*:*'")
    assert {row["name"] for row in seeded} == set(PERMISSIONS)


def test_operation_id_is_a_unique_lower_camel_name() -> None:
    ids = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert [operation_id for operation_id in ids if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", operation_id)] == []


def test_document_holds_every_route_but_pages_for_people_and_the_metrics() -> None:
    documented = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}
    outside = re.compile("GET /(schema.*|problems.*|docs|metrics|)")
    routed = {re.sub(r":\w+\}", "}", name) for name in HANDLERS if not outside.fullmatch(name)}
    assert documented == routed


@pytest.fixture(scope="module")
async def stylesheet(client: httpx.AsyncClient) -> str:
    """The path of an asset, which has a digest in it."""
    links: list[str] = re.findall(r'href="(/schema/assets/[^"]+\.css)"', (await client.get("/schema")).text)
    return links[0]


OUTSIDE = sorted(name.removeprefix("GET ") for name in HANDLERS if not name.partition(" ")[2].startswith("/api/"))


@pytest.mark.parametrize("query", ["t=1", "utm_source=mail&v=2&v=3", "%"])
@pytest.mark.parametrize("path", OUTSIDE)
async def test_unknown_query_parameter_is_ignored_when_the_route_is_outside_the_api(
    client: httpx.AsyncClient, stylesheet: str, path: str, query: str
) -> None:
    """Within the API it is refused, as tests/api/test_bad_input.py shows for every operation."""
    path = {"/schema/assets/{digest:str}/{name:str}": stylesheet}.get(path, path)
    path = path.replace("{code:str}", "not_found").replace("{path:str}", "nothing")

    plain, with_query = await client.get(path), await client.get(f"{path}?{query}")

    assert with_query.status_code == plain.status_code
    assert plain.status_code == (404 if path == "/schema/nothing" else 307 if path == "/docs" else 200)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_stranger_is_refused_unless_the_route_is_for_everyone(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    if is_public(operation):
        assert operation.body is not None or operation.form is not None, "what everyone may call is asked with a body"
        return
    response = await client.request(operation.method, operation.url())
    assert code_of(response, 401) == "authentication_required"
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if not is_public(each)], ids=str)
async def test_token_that_does_not_verify_is_refused(client: httpx.AsyncClient, operation: Operation) -> None:
    response = await client.request(operation.method, operation.url(), headers={"Authorization": "Bearer a.b.c"})
    assert code_of(response, 401) == "token_invalid"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_plain_member_is_refused_unless_the_route_is_for_everyone_signed_in(
    member: Caller, operation: Operation
) -> None:
    if is_public(operation) or operation.id in FOR_EVERYONE_SIGNED_IN:
        assert not NEEDED[operation.id]
        return
    assert code_of(await member.request(operation.method, operation.url()), 403) == "permission_denied"


@pytest.fixture(scope="module")
async def holding(admin: Caller, register: Register) -> Callable[[set[str]], Awaitable[Caller]]:
    """A caller who holds just these permissions."""
    caller = await register()
    role = await given.role(admin)
    await given.assignment(admin, caller.id, role["id"])
    ids = dict(zip(PERMISSIONS, await given.permission_ids(admin, PERMISSIONS), strict=True))

    async def hold(names: set[str]) -> Caller:
        body = {"permission_ids": [ids[name] for name in names]}
        assert (await admin.put(f"/api/v1/roles/{role['id']}/permissions", body, if_match="*")).is_success
        return caller

    return hold


@pytest.mark.parametrize("operation", GUARDED, ids=str)
async def test_route_opens_to_its_permissions_and_to_no_others(
    holding: Callable[[set[str]], Awaitable[Caller]], operation: Operation
) -> None:
    needed = NEEDED[operation.id]
    caller = await holding(needed)
    # Ids of nothing and no body: whoever gets past the guard finds nothing to change.
    assert (await caller.request(operation.method, operation.url())).status_code != 403
    for missing in needed:
        caller = await holding(set(PERMISSIONS) - {missing})
        response = await caller.request(operation.method, operation.url())
        assert code_of(response, 403) == "permission_denied"
        assert missing in response.json()["detail"]
