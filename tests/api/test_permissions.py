"""Permissions: names of what may be done."""

from typing import Any

import msgspec
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.factories import PermissionCreateFactory, unique
from tests.fixtures import Caller, Register

PERMISSIONS = "/api/v1/permissions"


def body_of(**members: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(PermissionCreateFactory.build(**members)))


async def test_permission_is_created_as_asked(admin: Caller) -> None:
    body = body_of()
    response = await admin.post(PERMISSIONS, body)
    permission = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{PERMISSIONS}/{permission['id']}"
    assert permission.items() >= (body | {"is_system": False, "version": 1}).items()
    read = await admin.get(f"{PERMISSIONS}/{permission['id']}")
    assert (read.json(), read.headers["etag"]) == (permission, response.headers["etag"])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "articles",
        "articles:",
        ":publish",
        "*:publish",
        "articles:publish:now",
        "Articles:publish",
        "articles:**",
        "articles:pub*",
        "articles :publish",
        "artícles:publish",
        "a" * 50 + ":" + "b" * 50,
    ],
)
async def test_permission_is_refused_when_its_name_is_not_resource_and_action(admin: Caller, name: str) -> None:
    assert faults_of(await admin.post(PERMISSIONS, body_of() | {"name": name})).keys() == {"/name"}


@pytest.mark.parametrize("name", ["users:read", "*:*"])
async def test_permission_is_refused_when_another_has_its_name(admin: Caller, name: str) -> None:
    assert code_of(await admin.post(PERMISSIONS, body_of(name=name)), 409) == "name_taken"


@pytest.mark.parametrize(
    ("held", "opens"),
    [("roles:read", True), ("roles:*", True), ("roles:create", False), ("users:*", False), ("roles-read:*", False)],
)
async def test_wildcard_opens_every_door_of_its_resource_and_no_other(
    admin: Caller, register: Register, held: str, opens: bool
) -> None:
    caller = await given.caller(admin, register, held)
    assert ((await caller.get("/api/v1/roles")).status_code == 200) == opens


async def test_description_is_changed_and_the_name_never(admin: Caller) -> None:
    permission = await given.permission(admin)
    path = f"{PERMISSIONS}/{permission['id']}"
    changed = (await admin.patch(path, {"description": "New."}, if_match="*")).json()
    assert changed == permission | {"description": "New.", "version": 2, "updated_at": changed["updated_at"]}
    renamed = await admin.patch(path, {"name": f"{unique('x')}:y"}, if_match="*")
    assert faults_of(renamed) == {"/name": ["unknown_member"]}


async def test_nobody_holds_a_permission_any_more_when_it_is_deleted(admin: Caller) -> None:
    permission = await given.permission(admin)
    role, user = await given.role(admin, permission["name"]), await given.user(admin)
    await given.assignment(admin, user["id"], role["id"])
    path = f"{PERMISSIONS}/{permission['id']}"
    assert [item["id"] for item in (await admin.get(f"{path}/roles")).json()["items"]] == [role["id"]]
    assert (await admin.delete(path, if_match="*")).status_code == 204
    for gone in (path, f"{path}/roles"):
        assert code_of(await admin.get(gone), 404) == "not_found"
    without = (await admin.get(f"/api/v1/roles/{role['id']}")).json()
    assert without == role | {"permissions": [], "version": role["version"] + 1, "updated_at": without["updated_at"]}
    assert without["updated_at"] > role["updated_at"]
    assert (await admin.get(f"/api/v1/users/{user['id']}/permissions")).json()["items"] == []
    again = await given.permission(admin, permission["name"])
    assert (await admin.get(f"{PERMISSIONS}/{again['id']}/roles")).json()["items"] == []


async def test_permission_of_the_service_itself_is_described_but_not_deleted(admin: Caller) -> None:
    permission = await given.permission(admin, "audit:read")
    path = f"{PERMISSIONS}/{permission['id']}"
    assert code_of(await admin.delete(path, if_match="*"), 409) == "system_protected"
    try:
        described = await admin.patch(path, {"description": "For a moment."}, if_match="*")
        assert described.json()["description"] == "For a moment."
    finally:
        assert (await admin.patch(path, {"description": permission["description"]}, if_match="*")).is_success
