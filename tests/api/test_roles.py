"""Roles and the permissions that they hold."""

from typing import Any

import msgspec
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.factories import RoleCreateFactory, unique
from tests.fixtures import Caller, Register

ROLES = "/api/v1/roles"
NOTHING = "00000000-0000-7000-8000-000000000000"


def body_of(**members: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(RoleCreateFactory.build(**members)))


async def system_role(admin: Caller, name: str) -> given.Json:
    [role] = (await admin.get(ROLES, params={"q": name, "is_system": True})).json()["items"]
    return dict(role)


async def test_role_is_created_as_asked(admin: Caller) -> None:
    permissions = [await given.permission(admin) for _ in range(2)]
    body = body_of(permission_ids=[permission["id"] for permission in permissions])
    response = await admin.post(ROLES, body)
    role = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{ROLES}/{role['id']}"
    del body["permission_ids"], body["parent_ids"]
    assert role.items() >= (body | {"is_system": False, "version": 1}).items()
    expected = sorted(
        ({"id": permission["id"], "name": permission["name"]} for permission in permissions),
        key=lambda item: item["name"],
    )
    assert role["permissions"] == expected
    read = await admin.get(f"{ROLES}/{role['id']}")
    assert (read.json(), read.headers["etag"]) == (role, response.headers["etag"])
    assert (await admin.get(f"{ROLES}/{role['id']}/permissions")).json()["items"] == expected


@pytest.mark.parametrize("name", ["", "Editor", "9lives", "-editor", "two words", "éditeur", "editor:chief", "x" * 65])
async def test_role_is_refused_when_its_name_is_no_machine_name(admin: Caller, name: str) -> None:
    assert faults_of(await admin.post(ROLES, body_of() | {"name": name})).keys() == {"/name"}


async def test_role_is_refused_when_another_has_its_name(admin: Caller) -> None:
    first, second = await given.role(admin), await given.role(admin)
    assert code_of(await admin.post(ROLES, body_of(name=first["name"])), 409) == "name_taken"
    change = await admin.patch(f"{ROLES}/{second['id']}", {"name": first["name"]}, if_match="*")
    assert code_of(change, 409) == "name_taken"
    assert (await admin.get(f"{ROLES}/{second['id']}")).json() == second


async def test_name_is_free_when_its_role_is_deleted(admin: Caller) -> None:
    role = await given.role(admin)
    assert (await admin.delete(f"{ROLES}/{role['id']}", if_match="*")).status_code == 204
    again = await given.role(admin, name=role["name"])
    assert again["id"] != role["id"]
    for path in ("", "/permissions", "/users"):
        assert code_of(await admin.get(f"{ROLES}/{role['id']}{path}"), 404) == "not_found"


async def test_role_gives_nothing_to_its_former_users_when_its_name_is_used_again(
    admin: Caller, register: Register
) -> None:
    user = await register()
    role = await given.role(admin)
    await given.assignment(admin, user.id, role["id"])
    await admin.delete(f"{ROLES}/{role['id']}", if_match="*")
    await given.role(admin, "roles:read", name=role["name"])
    assert code_of(await user.get(ROLES), 403) == "permission_denied"


async def test_role_keeps_what_an_update_does_not_name(admin: Caller) -> None:
    role = await given.role(admin)
    changed = (await admin.patch(f"{ROLES}/{role['id']}", {"title": "Chief"}, if_match="*")).json()
    assert changed == role | {"title": "Chief", "version": 2, "updated_at": changed["updated_at"]}


async def test_role_is_refused_with_every_permission_that_does_not_exist(admin: Caller) -> None:
    known = (await given.permission(admin))["id"]
    expected = {"/permission_ids/0": ["not_found"], "/permission_ids/2": ["not_found"]}
    ids = {"permission_ids": [NOTHING, known, NOTHING]}
    assert faults_of(await admin.post(ROLES, body_of() | ids)) == expected
    role = await given.role(admin)
    assert faults_of(await admin.put(f"{ROLES}/{role['id']}/permissions", ids, if_match="*")) == expected


async def test_permissions_are_granted_withdrawn_and_replaced(admin: Caller) -> None:
    role = await given.role(admin)
    first, second = [(await given.permission(admin))["id"] for _ in range(2)]
    path = f"{ROLES}/{role['id']}/permissions"

    async def held() -> set[str]:
        return {item["id"] for item in (await admin.get(path)).json()["items"]}

    granted = await admin.put(f"{path}/{first}")
    assert [item["id"] for item in granted.json()["permissions"]] == [first]
    assert (await admin.put(f"{path}/{first}")).json() == granted.json()
    await admin.put(path, {"permission_ids": [second, second]}, if_match="*")
    assert await held() == {second}
    assert code_of(await admin.delete(f"{path}/{first}"), 404) == "not_found"
    assert (await admin.delete(f"{path}/{second}")).status_code == 204
    assert await held() == set()


async def test_users_of_a_role_are_those_who_have_it_now(admin: Caller) -> None:
    role = await given.role(admin)
    present, former, deleted = [await given.user(admin) for _ in range(3)]
    for user in (present, former, deleted):
        await given.assignment(admin, user["id"], role["id"])
    await admin.delete(f"/api/v1/users/{former['id']}/roles/{role['id']}")
    await admin.delete(f"/api/v1/users/{deleted['id']}", if_match="*")
    users = (await admin.get(f"{ROLES}/{role['id']}/users")).json()["items"]
    through = [{name: role[name] for name in ("id", "name", "title")}]
    assert users == [{name: present[name] for name in ("id", "email", "display_name")} | {"through": through}]


@pytest.mark.parametrize("name", ["administrator", "member"])
async def test_system_role_keeps_its_name_and_is_not_deleted(admin: Caller, name: str) -> None:
    role = await system_role(admin, name)
    path = f"{ROLES}/{role['id']}"
    assert code_of(await admin.patch(path, {"name": unique("boss")}, if_match="*"), 409) == "system_protected"
    assert code_of(await admin.delete(path, if_match="*"), 409) == "system_protected"
    try:
        retitled = await admin.patch(path, {"name": name, "title": "For a moment"}, if_match="*")
        assert retitled.json()["title"] == "For a moment"
    finally:
        assert (await admin.patch(path, {"title": role["title"]}, if_match="*")).is_success


async def test_administrator_holds_everything_and_nothing_else_is_put_in_its_place(admin: Caller) -> None:
    role = await system_role(admin, "administrator")
    other = await given.permission(admin)
    path = f"{ROLES}/{role['id']}/permissions"
    for response in (
        await admin.put(path, {"permission_ids": []}, if_match="*"),
        await admin.put(path, {"permission_ids": [other["id"]]}, if_match="*"),
        await admin.delete(f"{path}/{role['permissions'][0]['id']}"),
    ):
        assert code_of(response, 409) == "system_protected"
    assert await system_role(admin, "administrator") == role


async def test_everyone_gains_a_permission_when_the_role_member_does(admin: Caller, register: Register) -> None:
    user = await register()
    member = await system_role(admin, "member")
    permission = await given.permission(admin)
    path = f"{ROLES}/{member['id']}/permissions/{permission['id']}"
    assert (await admin.put(path)).is_success
    try:
        held = (await user.get("/api/v1/users/me/permissions")).json()["items"]
        assert permission["name"] in [item["permission"]["name"] for item in held]
    finally:
        assert (await admin.delete(path)).status_code == 204
