"""Every change and every refusal that matters is on record, and no secret is."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.schemas import AuditEventRead
from tests.api import given
from tests.api.machines import ACCOUNTS, REVOKE, account, machine
from tests.api.operations import WRITING
from tests.api.problems import code_of
from tests.factories import (
    PASSWORD,
    PermissionCreateFactory,
    RegisterRequestFactory,
    RoleCreateFactory,
    ServiceAccountCreateFactory,
    UserCreateFactory,
    unique,
)
from tests.fixtures import Caller, Register

EVENTS = "/api/v1/audit-events"
NEW_PASSWORD = "eight red foxes under a bridge"
MEMBERS = set(AuditEventRead.__struct_fields__)


class Write(msgspec.Struct, frozen=True):
    """A request that changes something, and what will be on record of it."""

    caller: Caller
    method: str
    path: str
    action: str
    target_id: str | None = None
    """None where the answer tells it."""
    json: Any = None
    form: dict[str, str] | None = None
    is_anonymous: bool = False
    actor_id: str | None = None
    """Where it is not the caller."""

    async def send(self, request_id: str) -> httpx.Response:
        headers = {"X-Request-ID": request_id, "If-Match": "*"}
        if self.is_anonymous:
            http = self.caller.http
            return await http.request(self.method, self.path, json=self.json, data=self.form, headers=headers)
        return await self.caller.request(self.method, self.path, json=self.json, headers=headers)


Given: TypeAlias = Callable[[Caller, Register], Awaitable[Write]]
WRITES: dict[str, Given] = {}
UNRECORDED = {"refreshTokens", "issueToken", "introspectToken"}
"""A fresh token changes nobody's rights; the session or the key shows when it was last used."""


def writes(operation_id: str) -> Callable[[Given], Given]:
    def add(prepare: Given) -> Given:
        WRITES[operation_id] = prepare
        return prepare

    return add


def created(operation_id: str, path: str, action: str, body: Callable[[], msgspec.Struct]) -> None:
    @writes(operation_id)
    async def prepare(admin: Caller, _: Register) -> Write:
        return Write(admin, "POST", path, action, json=msgspec.to_builtins(body()))


created("createUser", "/api/v1/users", "user.created", lambda: UserCreateFactory.build(password=PASSWORD))
created("createRole", "/api/v1/roles", "role.created", RoleCreateFactory.build)
created("createPermission", "/api/v1/permissions", "permission.created", PermissionCreateFactory.build)


@writes("register")
async def _register(admin: Caller, _: Register) -> Write:
    body = msgspec.to_builtins(RegisterRequestFactory.build())
    return Write(admin, "POST", "/api/v1/auth/register", "user.registered", json=body, is_anonymous=True)


@writes("login")
async def _login(admin: Caller, _: Register) -> Write:
    user = await given.user(admin, password=PASSWORD)
    body = {"email": user["email"], "password": PASSWORD}
    path = "/api/v1/auth/login"
    return Write(admin, "POST", path, "session.opened", json=body, is_anonymous=True, actor_id=user["id"])


@writes("logout")
async def _logout(_: Caller, register: Register) -> Write:
    user = await register()
    return Write(user, "POST", "/api/v1/auth/logout", "session.ended", await session_of(user))


@writes("reauthenticate")
async def _reauthenticate(_: Caller, register: Register) -> Write:
    user = await register()
    body = {"password": user.password}
    return Write(user, "POST", "/api/v1/auth/reauthenticate", "user.reauthenticated", user.id, body)


@writes("liftUserThrottle")
async def _lift_user_throttle(admin: Caller, _: Register) -> Write:
    user = await given.user(admin)
    return Write(admin, "DELETE", f"/api/v1/users/{user['id']}/throttle", "user.throttle_lifted", user["id"])


@writes("updateMe")
async def _update_me(_: Caller, register: Register) -> Write:
    user = await register()
    return Write(user, "PATCH", "/api/v1/users/me", "user.updated", user.id, {"display_name": "Countess"})


@writes("changeMyPassword")
async def _change_my_password(_: Caller, register: Register) -> Write:
    user = await register()
    body = {"current_password": user.password, "new_password": NEW_PASSWORD}
    return Write(user, "POST", "/api/v1/users/me/password", "user.password_changed", user.id, body)


@writes("endAllMySessions")
async def _end_all_my_sessions(_: Caller, register: Register) -> Write:
    user = await register()
    return Write(user, "DELETE", "/api/v1/users/me/sessions", "session.ended", await session_of(user))


@writes("endMySession")
async def _end_my_session(_: Caller, register: Register) -> Write:
    user = await register()
    session_id = await session_of(user)
    return Write(user, "DELETE", f"/api/v1/users/me/sessions/{session_id}", "session.ended", session_id)


@writes("endAllUserSessions")
async def _end_all_user_sessions(admin: Caller, register: Register) -> Write:
    user = await register()
    return Write(admin, "DELETE", f"/api/v1/users/{user.id}/sessions", "session.ended", await session_of(user))


@writes("endUserSession")
async def _end_user_session(admin: Caller, register: Register) -> Write:
    user = await register()
    session_id = await session_of(user)
    return Write(admin, "DELETE", f"/api/v1/users/{user.id}/sessions/{session_id}", "session.ended", session_id)


@writes("updateUser")
async def _update_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin))["id"]
    return Write(admin, "PATCH", f"/api/v1/users/{user_id}", "user.updated", user_id, {"display_name": "Countess"})


@writes("deleteUser")
async def _delete_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin))["id"]
    return Write(admin, "DELETE", f"/api/v1/users/{user_id}", "user.deleted", user_id)


@writes("restoreUser")
async def _restore_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin))["id"]
    await admin.delete(f"/api/v1/users/{user_id}", if_match="*")
    return Write(admin, "POST", f"/api/v1/users/{user_id}/restore", "user.restored", user_id)


@writes("activateUser")
async def _activate_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin, is_active=False))["id"]
    return Write(admin, "POST", f"/api/v1/users/{user_id}/activate", "user.updated", user_id)


@writes("deactivateUser")
async def _deactivate_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin))["id"]
    return Write(admin, "POST", f"/api/v1/users/{user_id}/deactivate", "user.updated", user_id)


@writes("replaceUserRoles")
async def _replace_user_roles(admin: Caller, _: Register) -> Write:
    user_id, role_id = (await given.user(admin))["id"], (await given.role(admin))["id"]
    body = {"assignments": [{"role_id": role_id}]}
    return Write(admin, "PUT", f"/api/v1/users/{user_id}/roles", "user.role_assigned", user_id, body)


@writes("assignRole")
async def _assign_role(admin: Caller, _: Register) -> Write:
    user_id, role_id = (await given.user(admin))["id"], (await given.role(admin))["id"]
    return Write(admin, "PUT", f"/api/v1/users/{user_id}/roles/{role_id}", "user.role_assigned", user_id)


@writes("withdrawRole")
async def _withdraw_role(admin: Caller, _: Register) -> Write:
    user_id, role_id = (await given.user(admin))["id"], (await given.role(admin))["id"]
    await given.assignment(admin, user_id, role_id)
    return Write(admin, "DELETE", f"/api/v1/users/{user_id}/roles/{role_id}", "user.role_withdrawn", user_id)


@writes("updateRole")
async def _update_role(admin: Caller, _: Register) -> Write:
    role_id = (await given.role(admin))["id"]
    return Write(admin, "PATCH", f"/api/v1/roles/{role_id}", "role.updated", role_id, {"title": "Chief"})


@writes("deleteRole")
async def _delete_role(admin: Caller, _: Register) -> Write:
    role_id = (await given.role(admin))["id"]
    return Write(admin, "DELETE", f"/api/v1/roles/{role_id}", "role.deleted", role_id)


@writes("replaceRolePermissions")
async def _replace_role_permissions(admin: Caller, _: Register) -> Write:
    role_id = (await given.role(admin))["id"]
    body = {"permission_ids": [(await given.permission(admin))["id"]]}
    return Write(admin, "PUT", f"/api/v1/roles/{role_id}/permissions", "role.permissions_changed", role_id, body)


@writes("replaceRoleParents")
async def _replace_role_parents(admin: Caller, _: Register) -> Write:
    role_id, body = (await given.role(admin))["id"], {"parent_ids": [(await given.role(admin))["id"]]}
    return Write(admin, "PUT", f"/api/v1/roles/{role_id}/parents", "role.parents_changed", role_id, body)


@writes("grantPermission")
async def _grant_permission(admin: Caller, _: Register) -> Write:
    role_id, permission_id = (await given.role(admin))["id"], (await given.permission(admin))["id"]
    path = f"/api/v1/roles/{role_id}/permissions/{permission_id}"
    return Write(admin, "PUT", path, "role.permissions_changed", role_id)


@writes("withdrawPermission")
async def _withdraw_permission(admin: Caller, _: Register) -> Write:
    permission = await given.permission(admin)
    role_id = (await given.role(admin, permission["name"]))["id"]
    path = f"/api/v1/roles/{role_id}/permissions/{permission['id']}"
    return Write(admin, "DELETE", path, "role.permissions_changed", role_id)


@writes("updatePermission")
async def _update_permission(admin: Caller, _: Register) -> Write:
    permission_id = (await given.permission(admin))["id"]
    path = f"/api/v1/permissions/{permission_id}"
    return Write(admin, "PATCH", path, "permission.updated", permission_id, {"description": "New."})


@writes("deletePermission")
async def _delete_permission(admin: Caller, _: Register) -> Write:
    permission_id = (await given.permission(admin))["id"]
    return Write(admin, "DELETE", f"/api/v1/permissions/{permission_id}", "permission.deleted", permission_id)


created("createServiceAccount", ACCOUNTS, "service_account.created", ServiceAccountCreateFactory.build)


@writes("updateServiceAccount")
async def _update_service_account(admin: Caller, _: Register) -> Write:
    made = await account(admin)
    body = {"description": "New."}
    return Write(admin, "PATCH", f"{ACCOUNTS}/{made['id']}", "service_account.updated", made["id"], body)


@writes("deleteServiceAccount")
async def _delete_service_account(admin: Caller, _: Register) -> Write:
    made = await account(admin)
    return Write(admin, "DELETE", f"{ACCOUNTS}/{made['id']}", "service_account.deleted", made["id"])


@writes("replaceServiceAccountRoles")
async def _replace_service_account_roles(admin: Caller, _: Register) -> Write:
    made, role = await account(admin), await given.role(admin)
    body = {"assignments": [{"role_id": role["id"]}]}
    path = f"{ACCOUNTS}/{made['id']}/roles"
    return Write(admin, "PUT", path, "service_account.role_assigned", made["id"], body)


@writes("assignServiceAccountRole")
async def _assign_service_account_role(admin: Caller, _: Register) -> Write:
    made, role = await account(admin), await given.role(admin)
    path = f"{ACCOUNTS}/{made['id']}/roles/{role['id']}"
    return Write(admin, "PUT", path, "service_account.role_assigned", made["id"])


@writes("withdrawServiceAccountRole")
async def _withdraw_service_account_role(admin: Caller, _: Register) -> Write:
    made, role = await account(admin), await given.role(admin)
    path = f"{ACCOUNTS}/{made['id']}/roles/{role['id']}"
    await admin.put(path)
    return Write(admin, "DELETE", path, "service_account.role_withdrawn", made["id"])


@writes("createApiKey")
async def _create_api_key(admin: Caller, _: Register) -> Write:
    path = f"{ACCOUNTS}/{(await account(admin))['id']}/keys"
    return Write(admin, "POST", path, "api_key.created", json={"name": "first"})


@writes("revokeApiKey")
async def _revoke_api_key(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    return Write(admin, "DELETE", f"{one.path}/keys/{one.key_id}", "api_key.revoked", one.key_id)


@writes("revokeToken")
async def _revoke_token(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    form = {"token": one.key}
    return Write(admin, "POST", REVOKE, "api_key.revoked", one.key_id, form=form, is_anonymous=True, actor_id=one.id)


async def session_of(user: Caller) -> str:
    [session] = (await user.get("/api/v1/users/me/sessions")).json()["items"]
    return str(session["id"])


async def rows_of(db: asyncpg.Connection, request_id: str) -> list[dict[str, Any]]:
    """What is on record of the request, seen from outside the service."""
    rows = await db.fetch("SELECT * FROM audit_events WHERE request_id = $1 ORDER BY id", request_id)
    return [dict(row) | {name: row[name] and json.loads(row[name]) for name in ("before", "after")} for row in rows]


def test_every_writing_operation_is_among_those_shown_here() -> None:
    asking = {operation.id for operation in WRITING if operation.path.startswith("/api/v1/access/")}
    assert {operation.id for operation in WRITING} == WRITES.keys() | UNRECORDED | asking


@pytest.mark.parametrize("prepare", WRITES.values(), ids=WRITES)
async def test_write_is_on_record_with_actor_target_request_and_address(
    admin: Caller, register: Register, db: asyncpg.Connection, prepare: Given
) -> None:
    write = await prepare(admin, register)
    request_id = unique("request")
    response = await write.send(request_id)
    assert response.is_success, response.text
    rows = await rows_of(db, request_id)
    assert rows
    target_id = write.target_id or rows[0]["target_id"]
    [row] = [row for row in rows if row["action"] == write.action]
    assert str(row["target_id"]) == str(target_id)
    assert row["target_type"] == write.action.partition(".")[0]
    assert row["ip"] == "127.0.0.1"
    actor_id = write.actor_id or (None if write.is_anonymous else write.caller.id)
    assert (row["actor_id"] and str(row["actor_id"])) == actor_id
    assert (row["session_id"] is None) == write.is_anonymous
    text = json.dumps([row["before"], row["after"]])
    secrets = [
        PASSWORD,
        NEW_PASSWORD,
        write.caller.password,
        "$argon2",
        "password",
        "secret",
        "cms_r_",
        "cms_k_",
        "eyJ",
    ]
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize("operation_id", ["createUser", "createRole", "createPermission", "createServiceAccount"])
async def test_nothing_is_on_record_when_the_write_is_refused(
    admin: Caller, register: Register, db: asyncpg.Connection, operation_id: str
) -> None:
    write = await WRITES[operation_id](admin, register)
    assert (await write.send(unique("request"))).status_code == 201
    request_id = unique("request")
    assert (await write.send(request_id)).status_code == 409
    assert await rows_of(db, request_id) == []


async def test_update_is_on_record_with_the_members_that_changed(admin: Caller, db: asyncpg.Connection) -> None:
    user = await given.user(admin)
    path = f"/api/v1/users/{user['id']}"
    request_id = unique("request")
    body = {"display_name": "Countess", "external_id": user["external_id"]}
    await admin.patch(path, body, if_match="*", headers={"X-Request-ID": request_id})
    [row] = await rows_of(db, request_id)
    assert row["before"].keys() == row["after"].keys() == {"display_name", "updated_at", "version"}
    assert (row["before"]["display_name"], row["after"]["display_name"]) == (user["display_name"], "Countess")


@pytest.mark.parametrize("path", ["/api/v1/users/{user}", "/api/v1/users/{user}/roles/{role}"])
async def test_nothing_is_on_record_when_a_write_changes_nothing(
    admin: Caller, db: asyncpg.Connection, path: str
) -> None:
    user, role = await given.user(admin), await given.role(admin)
    await given.assignment(admin, user["id"], role["id"])
    request_id = unique("request")
    method = "PUT" if "{role}" in path else "PATCH"
    url = path.format(user=user["id"], role=role["id"])
    headers = {"X-Request-ID": request_id}
    assert (await admin.request(method, url, json={}, if_match="*", headers=headers)).is_success
    assert await rows_of(db, request_id) == []


async def test_every_assignment_is_on_record_when_roles_are_replaced(admin: Caller, db: asyncpg.Connection) -> None:
    user, first, second = await given.user(admin), await given.role(admin), await given.role(admin)
    await given.assignment(admin, user["id"], first["id"])
    request_id = unique("request")
    body = {"assignments": [{"role_id": second["id"], "scope": "site:blog", "reason": "Blog."}]}
    path = f"/api/v1/users/{user['id']}/roles"
    await admin.put(path, body, if_match="*", headers={"X-Request-ID": request_id})
    rows = {row["action"]: row for row in await rows_of(db, request_id)}
    assert rows.keys() == {"user.role_withdrawn", "user.role_assigned"}
    assert rows["user.role_withdrawn"]["before"]["role"]["id"] == first["id"]
    given_now = rows["user.role_assigned"]["after"]
    assert (given_now["role"]["id"], given_now["scope"], given_now["reason"]) == (second["id"], "site:blog", "Blog.")


@pytest.mark.parametrize("code", ["permission_denied", "escalation_refused"])
async def test_refusal_is_on_record_and_nothing_else_when_something_is_not_permitted(
    admin: Caller, register: Register, db: asyncpg.Connection, code: str
) -> None:
    caller = await given.caller(admin, register, *(["roles:create"] if code == "escalation_refused" else []))
    body = msgspec.to_builtins(RoleCreateFactory.build(permission_ids=[(await given.permission(admin))["id"]]))
    request_id = unique("request")
    response = await caller.post("/api/v1/roles", body, headers={"X-Request-ID": request_id})
    assert code_of(response, 403) == code
    [row] = await rows_of(db, request_id)
    assert (row["action"], str(row["actor_id"]), row["ip"]) == ("access.refused", caller.id, "127.0.0.1")
    assert row["session_id"] is not None
    assert (row["after"]["code"], row["after"]["operation"]) == (code, "POST /api/v1/roles")
    assert await db.fetchval("SELECT count(*) FROM roles WHERE name = $1", body["name"]) == 0


@pytest.mark.parametrize("is_known", [True, False])
async def test_failed_sign_in_is_on_record_without_what_was_typed(
    admin: Caller, client: httpx.AsyncClient, db: asyncpg.Connection, is_known: bool
) -> None:
    user = await given.user(admin, password=PASSWORD)
    email = user["email"] if is_known else f"{unique('nobody')}@example.org"
    request_id = unique("request")
    body = {"email": email, "password": "typed by mistake"}
    response = await client.post("/api/v1/auth/login", json=body, headers={"X-Request-ID": request_id})
    assert code_of(response, 401) == "invalid_credentials"
    [row] = await rows_of(db, request_id)
    assert (row["action"], row["actor_id"], row["ip"]) == ("session.login_failed", None, "127.0.0.1")
    assert (row["target_id"] and str(row["target_id"])) == (user["id"] if is_known else None)
    assert "typed by mistake" not in json.dumps([row["before"], row["after"]])


async def test_failed_password_change_is_on_record(register: Register, db: asyncpg.Connection) -> None:
    user = await register()
    request_id = unique("request")
    body = {"current_password": "typed by mistake", "new_password": NEW_PASSWORD}
    response = await user.post("/api/v1/users/me/password", body, headers={"X-Request-ID": request_id})
    assert code_of(response, 401) == "invalid_credentials"
    [row] = await rows_of(db, request_id)
    assert (row["action"], str(row["target_id"])) == ("user.password_change_failed", user.id)


async def test_events_are_read_with_every_filter(admin: Caller) -> None:
    user = await given.user(admin)
    path = f"/api/v1/users/{user['id']}"
    request_id = unique("request")
    await admin.patch(path, {"display_name": "B"}, if_match="*", headers={"X-Request-ID": request_id})
    await admin.delete(path, if_match="*")

    async def actions(**filters: str) -> list[str]:
        parameters = {"target_id": user["id"]} | filters
        return [event["action"] for event in (await admin.get(EVENTS, params=parameters)).json()["items"]]

    everything = ["user.deleted", "user.updated", "user.created"]
    assert await actions() == everything
    assert await actions(actor_id=admin.id, target_type="user") == everything
    assert await actions(actor_id=user["id"]) == []
    assert await actions(target_type="role") == []
    assert await actions(action="user.updated") == ["user.updated"]
    assert await actions(request_id=request_id) == ["user.updated"]
    [updated] = (await admin.get(EVENTS, params={"request_id": request_id})).json()["items"]
    assert updated.keys() == MEMBERS
    assert await actions(after=updated["at"]) == ["user.deleted"]
    assert await actions(before=updated["at"]) == ["user.created"]
    assert await actions(after=updated["at"], before=updated["at"]) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_events_are_read_only(admin: Caller, method: str) -> None:
    assert code_of(await admin.request(method, EVENTS), 405) == "method_not_allowed"
