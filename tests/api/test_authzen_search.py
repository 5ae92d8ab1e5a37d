"""Subject, resource and action search of AuthZEN, with the requests of its certification scenario."""

from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from tests.api import given
from tests.api.machines import account
from tests.api.problems import faults_of
from tests.fixtures import Caller

SEARCH, EVALUATION = "/api/v1/access/search", "/api/v1/access/evaluation"
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
READ, WRITE = {"name": "read"}, {"name": "write"}
NOTHING = {"page": {"next_token": "", "count": 0, "total": 0}, "results": []}


class World(msgspec.Struct):
    """A type of resources of its own, and who may do what to them."""

    kind: str
    users: dict[str, str]
    service_id: str

    def user(self, name: str) -> dict[str, Any]:
        return {"type": "user", "id": self.users[name]}

    def record(self, name: str, **members: Any) -> dict[str, Any]:
        return {"type": self.kind, "id": name} | members


@pytest.fixture(scope="module")
async def world(admin: Caller) -> World:
    kind = f"record{uuid4().hex[:8]}"
    reader, writer = await given.role(admin, f"{kind}:read"), await given.role(admin, f"{kind}:write")
    everything = await given.role(admin, f"{kind}:*")
    await given.permission(admin, f"{kind}:delete")
    await admin.put(f"/api/v1/roles/{writer['id']}/parents", {"parent_ids": [reader["id"]]}, if_match="*")
    users = {}
    held: dict[str, list[tuple[given.Json, dict[str, Any]]]] = {
        "alice": [(writer, {"scope": f"{kind}:record-1"}), (reader, {"scope": f"{kind}:a:b"})],
        "bob": [(reader, {"scope": f"{kind}:record-1"}), (writer, {"scope": f"{kind}:record-2"})],
        "carol": [(everything, {}), (reader, {"scope": f"{kind}:record-1"})],
        "dave": [(writer, {"scope": "site:blog"}), (reader, {"scope": f"{kind}x:record-1"})],
        "past": [(writer, {"expires_at": PAST})],
        "future": [(writer, {"not_before": FUTURE})],
        "asleep": [(writer, {})],
    }
    for name, assignments in held.items():
        user = await given.user(admin)
        users[name] = user["id"]
        for role, terms in assignments:
            await given.assignment(admin, user["id"], role["id"], **terms)
    assert (await admin.patch(f"/api/v1/users/{users['asleep']}", {"is_active": False}, if_match="*")).is_success
    machine = await account(admin)
    path = f"/api/v1/service-accounts/{machine['id']}/roles/{reader['id']}"
    assert (await admin.put(path, {"scope": f"{kind}:record-1"})).is_success
    return World(kind, users, machine["id"])


async def search(caller: Caller, what: str, **body: Any) -> dict[str, Any]:
    response = await caller.post(f"{SEARCH}/{what}", body)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def found(caller: Caller, world: World, action: dict[str, Any], resource: dict[str, Any]) -> set[str]:
    """Names of the users that may, each of whom the evaluation agrees about; administrators may as well."""
    answer = await search(caller, "subject", subject={"type": "user"}, action=action, resource=resource)
    assert {item["type"] for item in answer["results"]} <= {"user"}
    for item in answer["results"]:
        question = {"subject": item, "action": action, "resource": resource}
        assert (await caller.post(EVALUATION, question)).json() == {"decision": True}
    names = {user_id: name for name, user_id in world.users.items()}
    return {names[item["id"]] for item in answer["results"] if item["id"] in names}


async def test_subjects_are_those_that_may_now(admin: Caller, world: World) -> None:
    assert await found(admin, world, READ, world.record("record-1")) == {"alice", "bob", "carol"}
    assert await found(admin, world, WRITE, world.record("record-1")) == {"alice", "carol"}
    assert await found(admin, world, WRITE, world.record("record-2", properties={"status": "archived"})) == {
        "bob",
        "carol",
    }
    assert await found(admin, world, WRITE, world.record("x", properties={"scopes": ["site:blog"]})) == {
        "carol",
        "dave",
    }
    assert await found(admin, world, {"name": "delete"}, world.record("x")) == {"carol"}
    assert await found(admin, world, {"name": "no_such"}, world.record("x")) == set()


async def test_services_are_found_too_and_unknown_types_are_not(admin: Caller, world: World) -> None:
    body = {"action": READ, "resource": world.record("record-1"), "context": {"ip": "192.168.1.1"}}
    answer = await search(admin, "subject", subject={"type": "service", "id": "ignored"}, **body)
    assert {"type": "service", "id": world.service_id} in answer["results"]
    assert await search(admin, "subject", subject={"type": "spaceship"}, **body) == NOTHING


async def test_resources_are_the_scopes_of_their_type(admin: Caller, world: World) -> None:
    def ids(answer: dict[str, Any]) -> list[str]:
        assert {item["type"] for item in answer["results"]} <= {world.kind}
        return [item["id"] for item in answer["results"]]

    resource: dict[str, Any] = {"type": world.kind, "id": "ignored"}
    answer = await search(admin, "resource", subject=world.user("alice"), action=READ, resource=resource)
    assert ids(answer) == ["a:b", "record-1"]
    assert (answer["context"], answer["page"]["total"]) == ({"all": False}, 2)
    answer = await search(admin, "resource", subject=world.user("alice"), action=WRITE, resource=resource)
    assert ids(answer) == ["record-1"]
    answer = await search(admin, "resource", subject=world.user("carol"), action=WRITE, resource=resource)
    assert (ids(answer), answer["context"]) == ([], {"all": True})
    answer = await search(admin, "resource", subject=world.user("carol"), action=READ, resource=resource)
    assert (ids(answer), answer["context"]) == (["record-1"], {"all": True})
    blog = resource | {"properties": {"scopes": ["site:blog"]}}
    assert (await search(admin, "resource", subject=world.user("dave"), action=READ, resource=blog))["context"]["all"]
    for subject, action in (
        (world.user("asleep"), READ),
        (world.user("past"), READ),
        (world.user("alice"), {"name": "no_such"}),
        ({"type": "user", "id": "nobody"}, READ),
        ({"type": "spaceship", "id": "x"}, READ),
    ):
        answer = await search(admin, "resource", subject=subject, action=action, resource=resource)
        assert answer == NOTHING | {"context": {"all": False}}


async def test_actions_are_those_that_are_defined(admin: Caller, world: World) -> None:
    for subject, resource, names in (
        (world.user("alice"), world.record("record-1"), ["read", "write"]),
        (world.user("bob"), world.record("record-1"), ["read"]),
        (world.user("carol"), world.record("x"), ["delete", "read", "write"]),
        ({"type": "user", "id": admin.id}, world.record("x"), ["delete", "read", "write"]),
        (world.user("dave"), world.record("x", properties={"scopes": ["site:blog"]}), ["read", "write"]),
        (world.user("dave"), world.record("x"), []),
        (world.user("future"), world.record("x"), []),
        ({"type": "service", "id": world.service_id}, world.record("record-1"), ["read"]),
        ({"type": "user", "id": "nonexistent-user"}, world.record("record-1"), []),
        (world.user("carol"), {"type": "no_such", "id": "x"}, []),
    ):
        answer = await search(admin, "action", subject=subject, resource=resource, context={"ip": "x"})
        assert [item["name"] for item in answer["results"]] == names
        assert answer["page"] == {"next_token": "", "count": len(names), "total": len(names)}


async def test_pages_follow_each_other_without_gaps(admin: Caller, world: World) -> None:
    alice, resource = world.user("alice"), world.record("record-1")
    for what, body in (
        ("subject", {"subject": {"type": "user"}, "action": READ, "resource": resource}),
        ("resource", {"subject": alice, "action": READ, "resource": {"type": world.kind}}),
        ("action", {"subject": alice, "resource": resource}),
    ):
        whole = (await search(admin, what, **body))["results"]
        page: dict[str, Any] = {"limit": 1}
        results = []
        while True:
            answer = await search(admin, what, **body, page=page)
            assert answer["page"]["count"] == len(answer["results"]) == 1
            results += answer["results"]
            if not (token := answer["page"]["next_token"]):
                break
            page = {"limit": 1, "token": token}
        assert results == whole
        assert len(results) >= 2


async def test_token_is_good_for_the_same_search_only(admin: Caller, world: World) -> None:
    body = {"subject": {"type": "user"}, "action": READ, "resource": world.record("record-1")}
    counted = await search(admin, "subject", **body, page={"limit": 1, "properties": {"include_total": True}})
    everything = await search(admin, "subject", **body)
    assert counted["page"]["total"] == everything["page"]["total"] == len(everything["results"])
    first = await search(admin, "subject", **body, page={"limit": 0})
    assert (first["page"]["count"], first["results"]) == (0, [])
    page = {"token": first["page"]["next_token"]}
    assert (await search(admin, "subject", **body, page=page))["results"] == everything["results"]
    for changed in (body | {"action": WRITE}, body | {"context": {"a": 1}}, body | {"page": {"token": "made up"}}):
        response = await admin.post(f"{SEARCH}/subject", {"page": page} | changed)
        assert faults_of(response) == {"/page/token": ["bad_cursor"]}


async def test_search_is_refused_when_an_input_is_not_whole(admin: Caller) -> None:
    user, record = {"type": "user", "id": "x"}, {"type": "record", "id": "y"}
    kind = {"type": "user"}
    for what, body, pointer in (
        ("subject", {"subject": kind, "resource": record}, "/action"),
        ("resource", {"action": READ, "resource": record}, "/subject"),
        ("action", {"subject": user}, "/resource"),
        ("subject", {"subject": kind, "action": READ, "resource": {"type": "record"}}, "/resource/id"),
        ("resource", {"subject": kind, "action": READ, "resource": record}, "/subject/id"),
        ("action", {"subject": kind, "resource": record}, "/subject/id"),
        ("action", {"subject": user, "resource": record, "page": {"limit": -1}}, "/page/limit"),
    ):
        assert list(faults_of(await admin.post(f"{SEARCH}/{what}", body))) == [pointer]


@pytest.mark.parametrize(
    ("page", "count"), [(None, 100), ({"limit": 999}, 999), ({"limit": 1000}, 1000), ({"limit": 1001}, 1000)]
)
async def test_hundred_results_come_at_once_and_a_thousand_where_that_is_wanted(
    admin: Caller, db: asyncpg.Connection, page: dict[str, int] | None, count: int
) -> None:
    kind = f"record{uuid4().hex[:8]}"
    user, role = await given.user(admin), await given.role(admin, f"{kind}:read")
    await db.execute(
        "INSERT INTO user_roles (id, user_id, role_id, scope)"
        " SELECT gen_random_uuid(), $1, $2, $3 || ':' || n FROM generate_series(1, 1001) n",
        user["id"],
        role["id"],
        kind,
    )

    subject = {"type": "user", "id": user["id"]}
    answer = await search(admin, "resource", subject=subject, action=READ, resource={"type": kind}, page=page)

    assert (len(answer["results"]), answer["page"]["count"]) == (count, count)
    assert answer["page"]["next_token"]
