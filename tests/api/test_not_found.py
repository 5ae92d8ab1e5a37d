"""Unknown and deleted resources are not found: shown for every id in a path or a body of the OpenAPI document."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.credentials import session_id_of
from tests.api.given import Json
from tests.api.machines import ACCOUNTS, machine
from tests.api.operations import OPERATIONS, WITH_BODY, Operation, resolve
from tests.api.problems import code_of, faults_of
from tests.factories import unique
from tests.fixtures import Caller, Register, sign_in

OWN = "/api/v1/users/me/"
"""The paths below act on the account of the caller."""


class World(msgspec.Struct, frozen=True):
    """One resource for every id that a path has. Resources that a path names together belong together."""

    user: Caller
    ids: dict[str, str]

    def caller_of(self, operation: Operation, admin: Caller) -> Caller:
        return self.user if operation.path.startswith(OWN) else admin

    async def send(self, operation: Operation, admin: Caller, *, request_id: str, **options: Any) -> httpx.Response:
        ids = {name: value for name, value in self.ids.items() if f"{{{name}}}" in operation.path}
        return await self.caller_of(operation, admin).request(
            operation.method,
            operation.url(**ids),
            json=operation.minimal_body(),
            if_match="*",
            headers={"X-Request-ID": request_id},
            **options,
        )

    def but(self, name: str, value: str) -> "World":
        return msgspec.structs.replace(self, ids=self.ids | {name: value})


async def make_world(admin: Caller, register: Register) -> World:
    user, permission = await register(), await given.permission(admin)
    other_device = await sign_in(user.http, user.email, user.password)
    role, one = await given.role(admin, permission["name"]), await machine(admin)
    for path in (f"/api/v1/users/{user.id}", one.path):
        assert (await admin.put(f"{path}/roles/{role['id']}")).is_success
    ids = {
        "user_id": user.id,
        "session_id": session_id_of(other_device.access_token),
        "role_id": role["id"],
        "permission_id": permission["id"],
        "service_account_id": one.id,
        "key_id": one.key_id,
    }
    return World(user, ids)


PATHS = {
    "user_id": "/api/v1/users/{user_id}",
    "session_id": "/api/v1/users/{user_id}/sessions/{session_id}",
    "role_id": "/api/v1/roles/{role_id}",
    "permission_id": "/api/v1/permissions/{permission_id}",
    "service_account_id": f"{ACCOUNTS}/{{service_account_id}}",
}
"""DELETE on the path deletes the resource with the id. There is none for keys: a revoked key is still shown."""
OWNED = ("session_id", "key_id")
"""Ids of resources that belong to the one before them in the path."""
STATES = {"unknown": (*PATHS, "key_id"), "deleted": tuple(PATHS), "of another owner": OWNED}
FOUND = {("restoreUser", "user_id", "deleted")}
"""Cases that succeed: the operation is for deleted accounts."""


def path_ids(operation: Operation) -> list[str]:
    return [parameter["name"] for parameter in operation.parameters_in("path")]


WITH_IDS = [operation for operation in OPERATIONS if operation.has_path_parameters]
CASES = [
    (operation, name, state)
    for operation in WITH_IDS
    for name in path_ids(operation)
    for state, names in STATES.items()
    if name in names and (operation.id, name, state) not in FOUND
]


@pytest.fixture(scope="module")
async def world(admin: Caller, register: Register) -> World:
    """A world in which everything exists."""
    return await make_world(admin, register)


@pytest.fixture(scope="module")
async def worlds(admin: Caller, register: Register, world: World) -> dict[tuple[str, str], World]:
    """Worlds in which one resource is missing, by its state and the name of its id."""
    made = {("unknown", name): world.but(name, str(uuid4())) for name in STATES["unknown"]}
    for name, path in PATHS.items():
        made["deleted", name] = other = await make_world(admin, register)
        assert (await admin.delete(path.format(**other.ids), if_match="*")).is_success
    another = await make_world(admin, register)
    return made | {("of another owner", name): world.but(name, another.ids[name]) for name in OWNED}


def test_every_id_in_a_path_is_among_those_shown_here() -> None:
    assert {name for operation in WITH_IDS for name in path_ids(operation)} == set(STATES["unknown"])


@pytest.mark.parametrize("operation", [each for each in WITH_IDS if each.method == "GET"], ids=str)
async def test_resource_is_found_when_every_id_in_the_path_is_known(
    admin: Caller, world: World, operation: Operation
) -> None:
    assert (await world.send(operation, admin, request_id=unique("request"))).status_code == 200


@pytest.mark.parametrize(("operation", "name", "state"), CASES, ids=str)
async def test_answer_is_not_found_when_an_id_in_the_path_names_nothing(
    admin: Caller,
    worlds: dict[tuple[str, str], World],
    db: asyncpg.Connection,
    operation: Operation,
    name: str,
    state: str,
) -> None:
    has_preview = any(query["name"] == "dry_run" for query in operation.parameters_in("query"))
    for params in ({}, {"dry_run": True}) if has_preview else ({},):
        request_id = unique("request")
        answer = await worlds[state, name].send(operation, admin, request_id=request_id, params=params)
        assert code_of(answer, 404) == "not_found"
        assert await db.fetchval("SELECT count(*) FROM audit_events WHERE request_id = $1", request_id) == 0


def ids_in(schema: Json) -> Iterator[tuple[str, ...]]:
    """The way to each id in a body of this schema: the names of the members; a list has the name "0" after its own."""
    schema = resolve(schema)
    if schema.get("format") == "uuid":
        yield ()
    for name, member in schema.get("properties", {}).items():
        yield from ((name, *rest) for rest in ids_in(member))
    if "items" in schema:
        yield from (("0", *rest) for rest in ids_in(schema["items"]))
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from ids_in(form)


def body_with(value: Any, way: tuple[str, ...]) -> Any:
    """The smallest body that has the value at the end of the way."""
    for name in reversed(way):
        value = [value] if name == "0" else {name: value}
    return value


def member_of(way: tuple[str, ...]) -> str:
    return next(name for name in reversed(way) if name != "0")


BODY_IDS = [
    pytest.param(operation, way, id=f"{operation} {'/'.join(way)}")
    for operation in WITH_BODY
    for way in ids_in(operation.body or {})
    # The path names the same resource, and is checked first.
    if member_of(way) not in path_ids(operation)
]
NAMED = {"permission_ids": "permission_id", "parent_ids": "role_id", "role_id": "role_id"}
"""The kind of resource that each member of a body names."""


def test_every_id_in_a_body_is_among_those_shown_here() -> None:
    assert {member_of(way) for operation in WITH_BODY for way in ids_in(operation.body or {})} == NAMED.keys()


@pytest.mark.parametrize("state", ["unknown", "deleted"])
@pytest.mark.parametrize(("operation", "way"), BODY_IDS)
async def test_member_is_refused_when_it_names_nothing(
    admin: Caller,
    world: World,
    worlds: dict[tuple[str, str], World],
    operation: Operation,
    way: tuple[str, ...],
    state: str,
) -> None:
    name = NAMED[member_of(way)]
    body = (operation.minimal_body() or {}) | body_with(worlds[state, name].ids[name], way)
    path = operation.url(**{each: world.ids[each] for each in path_ids(operation)})
    answer = await admin.request(operation.method, path, json=body, if_match="*")
    assert faults_of(answer) == {f"/{'/'.join(way)}": ["not_found"]}
