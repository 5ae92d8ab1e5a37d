"""What a test finds when it begins, made over HTTP by an administrator."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from tests.factories import PermissionCreateFactory, RoleCreateFactory, UserCreateFactory
from tests.fixtures import Caller, Register

Json: TypeAlias = dict[str, Any]


async def user(admin: Caller, **members: Any) -> Json:
    """An account that nobody is signed in to."""
    return await _created(admin, "/api/v1/users", UserCreateFactory.build(**members))


async def permission(admin: Caller, name: str | None = None, **members: Any) -> Json:
    """The permission of this name, made if there is none yet; without a name, a new one."""
    if name is None:
        return await _created(admin, "/api/v1/permissions", PermissionCreateFactory.build(**members))
    response = await admin.post("/api/v1/permissions", {"name": name})
    if response.status_code == 201:
        return dict(response.json())
    found: list[Json] = (await admin.get("/api/v1/permissions", params={"q": name, "limit": 100})).json()["items"]
    return next(item for item in found if item["name"] == name)


async def permission_ids(admin: Caller, names: Iterable[str]) -> list[str]:
    return [(await permission(admin, name))["id"] for name in names]


async def role(admin: Caller, *permissions: str, **members: Any) -> Json:
    """A role that holds the permissions of these names."""
    ids = await permission_ids(admin, permissions)
    return await _created(admin, "/api/v1/roles", RoleCreateFactory.build(permission_ids=ids, **members))


async def assignment(admin: Caller, user_id: str, role_id: str, **terms: Any) -> None:
    """The user has the role."""
    response = await admin.put(f"/api/v1/users/{user_id}/roles/{role_id}", terms)
    assert response.is_success, response.text


async def caller(admin: Caller, register: Register, *permissions: str) -> Caller:
    """A signed-in user who holds exactly these permissions."""
    registered = await register()
    if permissions:
        await assignment(admin, registered.id, (await role(admin, *permissions))["id"])
    return registered


async def _created(admin: Caller, path: str, body: msgspec.Struct) -> Json:
    response = await admin.post(path, msgspec.to_builtins(body))
    assert response.status_code == 201, response.text
    return dict(response.json())
