"""Every kind of token at every place that takes one: no other than its own place accepts it.

Kinds and places are those of the OpenAPI document: a member of an answer named like a token is a kind, and a place is
whatever asks for a bearer token, or has a member or parameter named like a token. What is new there joins by itself.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from tests.api.credentials import is_accepted, login, session_id_of
from tests.api.machines import INTROSPECT, TOKEN, Machine, introspect, machine
from tests.api.operations import DOCUMENT, OPERATIONS, SCHEMAS, Operation, resolve
from tests.api.problems import code_of, faults_of
from tests.fixtures import Caller, Register

PATH = "/api/v1/users/me"
BEARER = "access_token"
CURSOR = "cursor"
WRONG = "no password of anybody"
API_KEY, SERVICE_TOKEN = "API key", "access token of a service account"
MACHINE_BEARERS = {API_KEY, SERVICE_TOKEN}
"""They are let in wherever an access token of a user is, though not to the user's own affairs."""

Json: TypeAlias = dict[str, Any]


def is_token(name: str) -> bool:
    return name.endswith(("_token", CURSOR))


def members(schema: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of all members at any depth."""
    if isinstance(schema, list):
        for part in schema:
            yield from members(part, seen)
    elif isinstance(schema, dict):
        reference = schema.get("$ref")
        if reference is not None and reference not in seen:
            yield from members(resolve(schema), seen | {reference})
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from members(part, seen)


ANSWERS = [
    response.get("content", {})
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    for response in operation["responses"].values()
]
KINDS = {name.removeprefix("next_") for name in members(ANSWERS) if is_token(name) and name != "next_token"}
"""`next_token` is what AuthZEN calls a cursor."""


def tokens_in(answer: Any) -> dict[str, str]:
    """By kind."""
    found: dict[str, str] = {}
    for name, value in answer.items() if isinstance(answer, dict) else ():
        found |= tokens_in(value)
        if is_token(name) and value is not None:
            found[name.removeprefix("next_")] = value
    return found


@pytest.fixture(scope="module")
async def ada(register: Register) -> Caller:
    return await register()


@pytest.fixture(scope="module")
async def robot(admin: Caller) -> Machine:
    return await machine(admin, "tokens:introspect")


@pytest.fixture(scope="module")
async def tokens(admin: Caller, ada: Caller, robot: Machine) -> dict[str, str]:
    """One of every kind, and what somebody might try besides."""
    found: dict[str, str] = {}
    for answer in (await login(ada.http, ada.email, ada.password), await admin.get("/api/v1/users?limit=1")):
        assert answer.status_code == 200, answer.text
        found |= tokens_in(answer.json())
    assert found.keys() == KINDS, "the document knows other kinds: get one of each here"
    return found | {
        API_KEY: robot.key,
        SERVICE_TOKEN: await robot.exchange(),
        "access token without its signature": f"{ada.access_token.rpartition('.')[0]}.",
        "password": ada.password,
        "id of the user": ada.id,
        "id of the session": session_id_of(ada.access_token),
    }


class Place(msgspec.Struct, frozen=True):
    """Somewhere in a request where a token of one kind belongs."""

    operation: Operation
    kind: str
    member: str | None = None
    """Of the body; None for the header."""

    async def present(self, http: httpx.AsyncClient, token: str) -> httpx.Response:
        """Everything else about the request is right."""
        body, headers = self.operation.minimal_body(), {"If-Match": "*"}
        if self.member is None:
            headers["Authorization"] = f"Bearer {token}"
        else:
            body = (body or {}) | {self.member: token}
        return await http.request(self.operation.method, self.operation.url(), json=body, headers=headers)

    def __str__(self) -> str:
        return f"{self.operation} {self.member or 'header'}"


def body_members(operation: Operation) -> Json:
    return dict(operation.body["properties"]) if operation.body is not None else {}


HEADERS = [Place(operation, BEARER) for operation in OPERATIONS if operation.takes_bearer]
BODIES = [
    Place(operation, name, name) for operation in OPERATIONS for name in body_members(operation) if is_token(name)
]
QUERIES = [
    (operation, parameter["name"])
    for operation in OPERATIONS
    for parameter in operation.parameters_in("query")
    if is_token(parameter["name"])
]
PRESENT_PASSWORD = SCHEMAS["LoginRequest"]["properties"]["password"]
PASSWORDS = [
    Place(operation, "password", name)
    for operation in OPERATIONS
    for name, schema in body_members(operation).items()
    if schema == PRESENT_PASSWORD
]
# Beside a password, a token lets nobody in.
HINTS = [place for place in BODIES if place.operation.id in {password.operation.id for password in PASSWORDS}]
CREDENTIALS = HEADERS + [place for place in BODIES if place not in HINTS]


def test_every_place_is_for_a_kind_that_is_given_out() -> None:
    assert {place.kind for place in HEADERS + BODIES} | {name for _, name in QUERIES} == KINDS
    assert {str(place) for place in PASSWORDS} == {
        "login password",
        "reauthenticate password",
        "changeMyPassword current_password",
    }
    assert {str(place) for place in HINTS} == {"login device_token"}


@pytest.mark.parametrize("place", CREDENTIALS, ids=str)
async def test_token_is_refused_where_another_kind_belongs(ada: Caller, tokens: dict[str, str], place: Place) -> None:
    for kind, token in tokens.items():
        if kind != place.kind and not (place.kind == BEARER and kind in MACHINE_BEARERS):
            assert code_of(await place.present(ada.http, token), 401), kind

    assert await is_accepted(ada.http, ada.access_token)


@pytest.mark.parametrize("place", [place for place in CREDENTIALS if place.operation.method == "GET"], ids=str)
async def test_access_token_gets_through_where_it_belongs(ada: Caller, place: Place) -> None:
    assert (await place.present(ada.http, ada.access_token)).status_code != 401


@pytest.mark.parametrize("place", [place for place in CREDENTIALS if place.member is not None], ids=str)
async def test_token_gets_through_in_the_body_where_it_belongs(ada: Caller, place: Place) -> None:
    own = tokens_in((await login(ada.http, ada.email, ada.password)).json())

    assert (await place.present(ada.http, own[place.kind])).is_success


@pytest.mark.parametrize(("operation", "parameter"), QUERIES, ids=str)
async def test_token_is_refused_where_a_cursor_belongs(
    admin: Caller, robot: Machine, tokens: dict[str, str], operation: Operation, parameter: str
) -> None:
    ids = {"user_id": admin.id, "service_account_id": robot.id}
    for name in ("role", "permission"):
        (found,) = (await admin.get(f"/api/v1/{name}s?limit=1")).json()["items"]
        ids[f"{name}_id"] = found["id"]

    for kind, token in tokens.items():
        if kind != CURSOR:
            response = await admin.request(operation.method, operation.url(**ids), params={parameter: token})
            assert faults_of(response).keys() == {f"query/{parameter}"}, kind


@pytest.mark.parametrize("place", PASSWORDS, ids=str)
async def test_token_is_refused_where_a_password_belongs(
    register: Register, tokens: dict[str, str], place: Place, db: asyncpg.Connection
) -> None:
    grace = await register()
    own = {"email": grace.email, "password": grace.password}
    others = tokens_in((await grace.http.post("/api/v1/auth/login", json=own)).json())
    body = place.operation.minimal_body() or {}
    assert place.member is not None
    wrong = [token for kind, token in tokens.items() if kind != place.kind]
    for token in (*wrong, *others.values(), grace.id):
        await db.execute("UPDATE throttles SET blocked_until = now() WHERE blocked_until > now()")
        sent = body | {name: own[name] for name in body.keys() & own.keys()} | {place.member: token}
        response = await grace.request(place.operation.method, place.operation.url(), json=sent)
        assert code_of(response, 401) == "invalid_credentials"


@pytest.mark.parametrize("place", HINTS, ids=str)
async def test_device_token_alone_makes_a_device_known(
    register: Register, tokens: dict[str, str], place: Place, db: asyncpg.Connection
) -> None:
    grace = await register()
    own = tokens_in((await login(grace.http, grace.email, grace.password)).json())
    others = [token for kind, token in own.items() if kind != place.kind] + list(tokens.values())

    async def sign_in_with(token: str, password: str) -> httpx.Response:
        body = {"email": grace.email, "password": password, place.member: token}
        return await grace.http.request(place.operation.method, place.operation.url(), json=body)

    for token in others:
        assert (await sign_in_with(token, grace.password)).status_code == 200
    await db.execute(
        "INSERT INTO throttles (purpose, subject, failures, streak, blocked_until) "
        "VALUES ('account', $1, 6, 6, now() + interval '1 hour')",
        UUID(grace.id).bytes,
    )
    for token in others:
        assert code_of(await sign_in_with(token, grace.password), 429) == "rate_limited"
    assert (await sign_in_with(own[place.kind], grace.password)).status_code == 200


@pytest.mark.parametrize("place", HINTS, ids=str)
async def test_no_token_beside_a_wrong_password_lets_anybody_in(
    register: Register, tokens: dict[str, str], place: Place, db: asyncpg.Connection
) -> None:
    grace = await register()
    own = tokens_in((await login(grace.http, grace.email, grace.password)).json())

    for token in (*own.values(), *tokens.values()):
        await db.execute("UPDATE throttles SET blocked_until = now() WHERE blocked_until > now()")
        body = {"email": grace.email, "password": WRONG, place.member: token}
        response = await grace.http.request(place.operation.method, place.operation.url(), json=body)
        assert code_of(response, 401) == "invalid_credentials"


async def test_machine_is_let_in_wherever_a_token_belongs_but_to_the_affairs_of_users(
    ada: Caller, tokens: dict[str, str]
) -> None:
    for place in HEADERS:
        if place.operation.id != "logout":
            for kind in MACHINE_BEARERS:
                response = await place.present(ada.http, tokens[kind])
                assert response.status_code != 401, (str(place), kind)
                if place.operation.path.startswith(PATH):
                    assert code_of(response, 403) == "permission_denied"


async def test_only_an_access_token_of_a_user_says_for_whom_a_machine_acts(
    ada: Caller, robot: Machine, tokens: dict[str, str]
) -> None:
    for kind, token in tokens.items():
        headers = {"Authorization": f"Bearer {robot.key}", "X-On-Behalf-Of": token}
        response = await ada.http.get(PATH, headers=headers)
        assert response.is_success if kind == BEARER else code_of(response, 401) == "token_invalid", kind


async def test_only_an_api_key_is_a_client_secret(ada: Caller, robot: Machine, tokens: dict[str, str]) -> None:
    for kind, token in tokens.items():
        for client_id in (robot.id, ada.id):
            is_right = kind == API_KEY and client_id == robot.id
            grant = {"grant_type": "client_credentials"}
            by_header = await ada.http.post(TOKEN, data=grant, auth=(client_id, token))
            own = {"client_id": client_id, "client_secret": token}
            by_body = await ada.http.post(TOKEN, data=grant | own)
            assert [by_header.status_code, by_body.status_code] == ([200, 200] if is_right else [401, 400]), kind
            asked = await ada.http.post(INTROSPECT, data={"token": token}, auth=(client_id, token))
            assert asked.status_code == (200 if is_right else 401), kind


async def test_only_what_proves_somebody_counts_for_introspection(robot: Machine, tokens: dict[str, str]) -> None:
    counting = {kind for kind, token in tokens.items() if (await introspect(robot, token))["active"]}
    assert counting == {BEARER, "refresh_token", *MACHINE_BEARERS}


async def as_basic(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": f"Basic {token}"})


async def without_scheme(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": token})


async def as_bearer_twice(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers=[("Authorization", f"Bearer {token}")] * 2)


async def as_cookie(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Cookie": f"access_token={token}; session={token}"})


async def in_other_headers(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"X-API-Key": token, "Proxy-Authorization": f"Bearer {token}"})


async def as_client(http: httpx.AsyncClient, token: str) -> httpx.Response:
    """With which service accounts say who they are at two places, and nowhere else."""
    return await http.get(PATH, auth=(token, token))


async def in_the_query(http: httpx.AsyncClient, token: str) -> httpx.Response:
    """What RFC 6750 §2.3 allows, and we do not."""
    return await http.get(PATH, params={"access_token": token})


@pytest.mark.parametrize(
    "present", [as_basic, without_scheme, as_bearer_twice, as_client, as_cookie, in_other_headers, in_the_query]
)
async def test_no_token_is_looked_for_anywhere_else(
    ada: Caller, tokens: dict[str, str], present: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
) -> None:
    for kind, token in tokens.items():
        assert code_of(await present(ada.http, token), 400, 401), kind
