"""Nobody overwrites what they have not seen, and nobody reads twice what has not changed (RFC 9110 §13)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.machines import ACCOUNTS, account
from tests.api.operations import OPERATIONS, Operation
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import Caller, Register

STALE = '"999"'


class Resource(msgspec.Struct, frozen=True):
    """Something with an entity tag."""

    caller: Caller
    path: str
    member: str
    """One that may be changed."""

    async def tag(self) -> str:
        return str((await self.caller.get(self.path)).headers["etag"])

    async def change(self, if_match: str | None = "*") -> httpx.Response:
        return await self.caller.patch(self.path, {self.member: unique("changed")}, if_match=if_match)


async def a_user(admin: Caller, register: Register) -> Resource:
    return Resource(admin, f"/api/v1/users/{(await given.user(admin))['id']}", "display_name")


async def a_role(admin: Caller, register: Register) -> Resource:
    return Resource(admin, f"/api/v1/roles/{(await given.role(admin))['id']}", "title")


async def a_permission(admin: Caller, register: Register) -> Resource:
    return Resource(admin, f"/api/v1/permissions/{(await given.permission(admin))['id']}", "description")


async def a_service_account(admin: Caller, register: Register) -> Resource:
    return Resource(admin, f"{ACCOUNTS}/{(await account(admin))['id']}", "description")


async def me(admin: Caller, register: Register) -> Resource:
    return Resource(await register(), "/api/v1/users/me", "display_name")


@pytest.fixture(params=[a_user, a_role, a_permission, a_service_account, me])
async def resource(request: pytest.FixtureRequest, admin: Caller, register: Register) -> Resource:
    make: Callable[[Caller, Register], Awaitable[Resource]] = request.param
    return await make(admin, register)


REQUIRING = [
    operation
    for operation in OPERATIONS
    if any(each["name"] == "If-Match" and each["required"] for each in operation.parameters)
]


async def test_entity_tag_is_strong_and_stays_when_nothing_changes(resource: Resource) -> None:
    tag = await resource.tag()
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert await resource.tag() == tag
    unchanged = await resource.caller.patch(resource.path, {}, if_match="*")
    assert unchanged.headers["etag"] == tag


async def test_entity_tag_changes_when_the_resource_does(resource: Resource) -> None:
    before = await resource.tag()
    changed = await resource.change()
    assert changed.status_code == 200
    assert changed.headers["etag"] != before
    assert await resource.tag() == changed.headers["etag"]


async def test_answer_is_304_without_a_body_when_the_tag_is_known(resource: Resource) -> None:
    tag = await resource.tag()
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await resource.caller.get(resource.path, headers={"If-None-Match": known})
        assert (response.status_code, response.content) == (304, b""), known
        assert response.headers.keys().isdisjoint({"content-type", "content-length"})
        assert response.headers["etag"] == tag
        assert response.headers["cache-control"] == "no-store"
    await resource.change()
    response = await resource.caller.get(resource.path, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response.json()["id"]


async def test_refusal_is_never_304_when_any_tag_is_known(client: httpx.AsyncClient, admin: Caller) -> None:
    assert (await client.get("/api/v1/users/me", headers={"If-None-Match": "*"})).status_code == 401
    path = "/api/v1/users/00000000-0000-7000-8000-000000000000"
    assert (await admin.get(path, headers={"If-None-Match": "*"})).status_code == 404


async def test_change_happens_when_the_tag_matches(resource: Resource) -> None:
    version = (await resource.caller.get(resource.path)).json()["version"]
    for tag in (await resource.tag(), f'"{version + 1}"', f'"other", "{version + 2}"', "*"):
        assert (await resource.change(tag)).status_code == 200, tag
    assert (await resource.caller.get(resource.path)).json()["version"] == version + 4


async def test_change_is_refused_and_leaves_everything_when_the_tag_is_stale_or_weak(resource: Resource) -> None:
    before = (await resource.caller.get(resource.path)).json()
    tag = await resource.tag()
    for other in (STALE, f"W/{tag}", f'W/"{before["version"]}"', '""', f'"x", W/{tag}'):
        assert code_of(await resource.change(other), 412) == "precondition_failed", other
    assert (await resource.caller.get(resource.path)).json() == before


async def test_one_change_happens_when_several_saw_the_same_and_come_at_once(resource: Resource) -> None:
    tag = await resource.tag()
    answers = await asyncio.gather(*(resource.change(tag) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


@pytest.mark.parametrize("operation", REQUIRING, ids=str)
async def test_change_is_refused_when_it_states_no_tag(admin: Caller, operation: Operation) -> None:
    response = await admin.request(operation.method, operation.url(), json=operation.minimal_body())
    assert code_of(response, 428) == "precondition_required"


def test_every_change_of_a_single_resource_requires_a_tag() -> None:
    required = {
        operation.id
        for operation in OPERATIONS
        if operation.path.rpartition("/")[2]
        in {"{user_id}", "{role_id}", "{permission_id}", "{service_account_id}", "me"}
        and operation.method in {"PATCH", "DELETE"}
    }
    relations = {"withdrawRole", "withdrawPermission", "withdrawServiceAccountRole"}
    assert {operation.id for operation in REQUIRING} >= required - relations


@pytest.mark.parametrize("kind", [a_user, a_role, a_permission, a_service_account])
async def test_deletion_is_refused_when_the_tag_is_stale(
    admin: Caller, register: Register, kind: Callable[[Caller, Register], Awaitable[Resource]]
) -> None:
    resource = await kind(admin, register)
    assert code_of(await admin.delete(resource.path, if_match=STALE), 412) == "precondition_failed"
    assert (await admin.delete(resource.path, if_match=await resource.tag())).status_code == 204
    assert code_of(await admin.get(resource.path), 404) == "not_found"


async def test_relation_is_left_alone_when_the_tag_is_stale(admin: Caller) -> None:
    user, permission = await given.user(admin), await given.permission(admin)
    role = await given.role(admin, permission["name"])
    await given.assignment(admin, user["id"], role["id"])
    assigned, granted = f"/api/v1/users/{user['id']}/roles", f"/api/v1/roles/{role['id']}/permissions"
    for method, path, body in (
        ("PUT", assigned, {"assignments": []}),
        ("PUT", f"{assigned}/{role['id']}", {"reason": "Late."}),
        ("DELETE", f"{assigned}/{role['id']}", None),
        ("PUT", granted, {"permission_ids": []}),
        ("PUT", f"{granted}/{permission['id']}", None),
        ("DELETE", f"{granted}/{permission['id']}", None),
    ):
        response = await admin.request(method, path, json=body, if_match=STALE)
        assert code_of(response, 412) == "precondition_failed", (method, path)
    assert [item["role"]["id"] for item in (await admin.get(assigned)).json()["items"]] == [role["id"]]
    assert [item["id"] for item in (await admin.get(granted)).json()["items"]] == [permission["id"]]


async def test_entity_tag_of_a_user_changes_when_a_role_of_it_does(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    resource = Resource(admin, f"/api/v1/users/{user['id']}", "display_name")
    path = f"/api/v1/roles/{role['id']}"
    seen = [await resource.tag()]

    async def differs() -> bool:
        seen.append(await resource.tag())
        return seen[-1] not in seen[:-1]

    await given.assignment(admin, user["id"], role["id"])
    assert await differs(), "assigned"
    await admin.patch(path, {"title": "Chief"}, if_match="*")
    assert await differs(), "retitled"
    await admin.patch(path, {"name": unique("chief")}, if_match="*")
    assert await differs(), "renamed"
    assert code_of(await resource.change(seen[-2]), 412) == "precondition_failed"
    await admin.delete(path, if_match="*")
    shown: dict[str, Any] = (await admin.get(resource.path)).json()
    assert shown["roles"] == []
    assert (await resource.tag()) != seen[-1], "deleted"


async def test_entity_tag_of_a_role_changes_when_its_permissions_do(admin: Caller) -> None:
    role, permission = await given.role(admin), await given.permission(admin)
    resource = Resource(admin, f"/api/v1/roles/{role['id']}", "title")
    seen = {await resource.tag()}
    granted = await admin.put(f"{resource.path}/permissions/{permission['id']}")
    assert granted.headers["etag"] == await resource.tag()
    seen.add(await resource.tag())
    await admin.delete(f"/api/v1/permissions/{permission['id']}", if_match="*")
    seen.add(await resource.tag())
    assert len(seen) == 3


@pytest.mark.parametrize("method", ["grant", "assign"])
async def test_entity_tag_stays_when_a_repeated_write_changes_nothing(admin: Caller, method: str) -> None:
    user, role, permission = await given.user(admin), await given.role(admin), await given.permission(admin)
    shown, path = {
        "grant": (f"/api/v1/roles/{role['id']}", f"/api/v1/roles/{role['id']}/permissions/{permission['id']}"),
        "assign": (f"/api/v1/users/{user['id']}", f"/api/v1/users/{user['id']}/roles/{role['id']}"),
    }[method]
    assert (await admin.put(path)).is_success
    tag = (await admin.get(shown)).headers["etag"]
    assert (await admin.put(path)).is_success
    assert (await admin.get(shown)).headers["etag"] == tag
