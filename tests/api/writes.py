"""Every write of the API as a complete request, with the events that it must leave in the audit trail."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx
import jwt
import msgspec

from tests.api import given
from tests.api.credentials import refresh, session_id_of
from tests.api.given import Json
from tests.api.machines import ACCOUNTS, REVOKE, TOKEN, account, machine
from tests.api.operations import WRITING, Operation
from tests.factories import (
    PASSWORD,
    PermissionCreateFactory,
    RegisterRequestFactory,
    RoleCreateFactory,
    ServiceAccountCreateFactory,
    UserCreateFactory,
)
from tests.fixtures import Caller, Register, sign_in

NEW_PASSWORD = "eight red foxes under a bridge"
USERS, ROLES, PERMISSIONS = "/api/v1/users", "/api/v1/roles", "/api/v1/permissions"


class Event(msgspec.Struct, frozen=True):
    """An event that a write must leave, and the resource whose change it shows."""

    action: str
    target_type: str
    target_id: str | None = None
    """None where the answer tells it."""
    shows: str | None = None
    """The path of the resource in `before` and `after`, or of its collection where the answer tells the id.

    None where the event has neither.
    """
    role_id: str | None = None
    """Where `shows` is a list of assignments: the role of the one that is shown."""

    async def read(self, admin: Caller, db: asyncpg.Connection, made_id: str | None = None) -> Json | None:
        """The resource as it is now; None where there is none."""
        if self.target_type == "api_key" and self.target_id is not None:
            # The keys of a deleted account are shown nowhere any more.
            return await _read_key(db, self.target_id)
        path = self.shows if self.target_id is not None else made_id and f"{self.shows}/{made_id}"
        if self.shows is None or path is None:
            return None
        response = await admin.get(path)
        if response.status_code == 404:
            return None
        assert response.status_code == 200, response.text
        if self.role_id is None:
            return dict(response.json())
        return next((dict(item) for item in response.json()["items"] if item["role"]["id"] == self.role_id), None)


class Write(msgspec.Struct, frozen=True):
    """A request that is ready to be sent, and the events that it must leave."""

    caller: Caller
    method: str
    path: str
    events: list[Event]
    json: Any = None
    form: dict[str, str] | None = None
    is_anonymous: bool = False
    actor_id: str | None = None
    """Who is on record where the request is anonymous."""
    credential_id: str | None = None
    """The API key that is on record, if one is."""

    async def send(self, request_id: str) -> httpx.Response:
        headers = {"X-Request-ID": request_id, "If-Match": "*"}
        if self.is_anonymous:
            http = self.caller.http
            return await http.request(self.method, self.path, json=self.json, data=self.form, headers=headers)
        return await self.caller.request(self.method, self.path, json=self.json, data=self.form, headers=headers)

    @property
    def actor(self) -> Json:
        """The columns of an event that say who acted."""
        return {
            "actor_id": self.actor_id if self.is_anonymous else self.caller.id,
            "session_id": None if self.is_anonymous else session_id_of(self.caller.access_token),
            "credential_id": self.credential_id,
            "on_behalf_of": None,
        }


Given: TypeAlias = Callable[[Caller, Register], Awaitable[Write]]
WRITES: dict[str, Given] = {}
"""By the id of the operation; further cases of one have a name after it."""


def operation_id_of(name: str) -> str:
    """The operation of which `name` is a case."""
    return name.partition(" ")[0]


def writes(name: str) -> Callable[[Given], Given]:
    def add(prepare: Given) -> Given:
        WRITES[name] = prepare
        return prepare

    return add


def id_in(answer: httpx.Response) -> str | None:
    """The id of what the request made, if it made something."""
    if not answer.content:
        return None
    members = answer.json()
    return members.get("id") or ("user" in members and session_id_of(members["access_token"])) or None


async def _read_key(db: asyncpg.Connection, key_id: str) -> Json:
    """The only member of a key that a write changes."""
    revoked_at: datetime | None = await db.fetchval("SELECT revoked_at FROM api_keys WHERE id = $1", UUID(key_id))
    return {"revoked_at": msgspec.to_builtins(revoked_at)}


def of_user(action: str, user_id: str) -> Event:
    return Event(action, "user", user_id, f"{USERS}/{user_id}")


def of_role(action: str, role_id: str) -> Event:
    return Event(action, "role", role_id, f"{ROLES}/{role_id}")


def of_permission(action: str, permission_id: str) -> Event:
    return Event(action, "permission", permission_id, f"{PERMISSIONS}/{permission_id}")


def of_account(action: str, account_id: str) -> Event:
    return Event(action, "service_account", account_id, f"{ACCOUNTS}/{account_id}")


def of_assignment(action: str, owner_path: str, role_id: str) -> Event:
    """The assignment of a role to the user or the service account with this path."""
    target_type = "service_account" if owner_path.startswith(ACCOUNTS) else "user"
    owner_id = owner_path.rpartition("/")[2]
    return Event(f"{target_type}.{action}", target_type, owner_id, f"{owner_path}/roles", role_id)


def end_of(*callers: Caller) -> list[Event]:
    """The end of the session of each caller."""
    return [Event("session.ended", "session", session_id_of(caller.access_token)) for caller in callers]


def revocation_of(*key_ids: str) -> list[Event]:
    return [Event("api_key.revoked", "api_key", key_id) for key_id in key_ids]


async def two_devices(register: Register) -> tuple[Caller, Caller]:
    """One user with two sessions."""
    user = await register()
    return user, await sign_in(user.http, user.email, user.password)


# Writes that create something.


def created(operation_id: str, path: str, target_type: str, body: Callable[[], msgspec.Struct]) -> None:
    @writes(operation_id)
    async def prepare(admin: Caller, _: Register) -> Write:
        event = Event(f"{target_type}.created", target_type, shows=path)
        return Write(admin, "POST", path, [event], msgspec.to_builtins(body()))


created("createUser", USERS, "user", lambda: UserCreateFactory.build(password=PASSWORD))
created("createRole", ROLES, "role", RoleCreateFactory.build)
created("createPermission", PERMISSIONS, "permission", PermissionCreateFactory.build)
created("createServiceAccount", ACCOUNTS, "service_account", ServiceAccountCreateFactory.build)


@writes("createApiKey")
async def _create_api_key(admin: Caller, _: Register) -> Write:
    path = f"{ACCOUNTS}/{(await account(admin))['id']}/keys"
    return Write(admin, "POST", path, [Event("api_key.created", "api_key", shows=path)], {"name": "first"})


@writes("register")
async def _register(admin: Caller, _: Register) -> Write:
    body = msgspec.to_builtins(RegisterRequestFactory.build())
    event = Event("user.registered", "user", shows=USERS)
    return Write(admin, "POST", "/api/v1/auth/register", [event], body, is_anonymous=True)


@writes("login")
async def _login(admin: Caller, _: Register) -> Write:
    user = await given.user(admin, password=PASSWORD)
    body = {"email": user["email"], "password": PASSWORD}
    event = Event("session.opened", "session")
    return Write(admin, "POST", "/api/v1/auth/login", [event], body, is_anonymous=True, actor_id=user["id"])


# Writes of users to their own accounts.


@writes("refreshTokens")
async def _refresh_tokens(_: Caller, register: Register) -> Write:
    user = await register()
    return Write(user, "POST", "/api/v1/auth/refresh", [], {"refresh_token": user.refresh_token}, is_anonymous=True)


@writes("refreshTokens with the token before")
async def _refresh_tokens_again(_: Caller, register: Register) -> Write:
    user = await register()
    assert (await refresh(user.http, user.refresh_token)).is_success
    return Write(user, "POST", "/api/v1/auth/refresh", [], {"refresh_token": user.refresh_token}, is_anonymous=True)


@writes("logout")
async def _logout(_: Caller, register: Register) -> Write:
    user, _other = await two_devices(register)
    return Write(user, "POST", "/api/v1/auth/logout", end_of(user))


@writes("logout by refresh token")
async def _logout_by_refresh_token(_: Caller, register: Register) -> Write:
    user, _other = await two_devices(register)
    body = {"refresh_token": user.refresh_token}
    return Write(user, "POST", "/api/v1/auth/logout", end_of(user), body, is_anonymous=True, actor_id=user.id)


@writes("reauthenticate")
async def _reauthenticate(_: Caller, register: Register) -> Write:
    user = await register()
    event = Event("user.reauthenticated", "user", user.id)
    return Write(user, "POST", "/api/v1/auth/reauthenticate", [event], {"password": user.password})


@writes("updateMe")
async def _update_me(_: Caller, register: Register) -> Write:
    user = await register()
    return Write(user, "PATCH", f"{USERS}/me", [of_user("user.updated", user.id)], {"display_name": "Countess"})


@writes("changeMyPassword")
async def _change_my_password(_: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    body = {"current_password": user.password, "new_password": NEW_PASSWORD}
    events = [Event("user.password_changed", "user", user.id), *end_of(other)]
    return Write(user, "POST", f"{USERS}/me/password", events, body)


@writes("endAllMySessions")
async def _end_all_my_sessions(_: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    return Write(user, "DELETE", f"{USERS}/me/sessions", end_of(user, other))


@writes("endMySession")
async def _end_my_session(_: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    return Write(user, "DELETE", f"{USERS}/me/sessions/{session_id_of(other.access_token)}", end_of(other))


# Writes of administrators to the accounts of others.


@writes("endAllUserSessions")
async def _end_all_user_sessions(admin: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    return Write(admin, "DELETE", f"{USERS}/{user.id}/sessions", end_of(user, other))


@writes("endUserSession")
async def _end_user_session(admin: Caller, register: Register) -> Write:
    user, _other = await two_devices(register)
    path = f"{USERS}/{user.id}/sessions/{session_id_of(user.access_token)}"
    return Write(admin, "DELETE", path, end_of(user))


@writes("liftUserThrottle")
async def _lift_user_throttle(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin))["id"]
    event = Event("user.throttle_lifted", "user", user_id)
    return Write(admin, "DELETE", f"{USERS}/{user_id}/throttle", [event])


@writes("updateUser")
async def _update_user(admin: Caller, register: Register) -> Write:
    user = await register()
    event = of_user("user.updated", user.id)
    return Write(admin, "PATCH", f"{USERS}/{user.id}", [event], {"display_name": "Countess"})


@writes("updateUser that deactivates")
async def _deactivate_by_update(admin: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    events = [of_user("user.updated", user.id), *end_of(user, other)]
    return Write(admin, "PATCH", f"{USERS}/{user.id}", events, {"is_active": False})


@writes("deactivateUser")
async def _deactivate_user(admin: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    events = [of_user("user.updated", user.id), *end_of(user, other)]
    return Write(admin, "POST", f"{USERS}/{user.id}/deactivate", events)


@writes("activateUser")
async def _activate_user(admin: Caller, _: Register) -> Write:
    user_id = (await given.user(admin, is_active=False))["id"]
    return Write(admin, "POST", f"{USERS}/{user_id}/activate", [of_user("user.updated", user_id)])


@writes("deleteUser")
async def _delete_user(admin: Caller, register: Register) -> Write:
    user, other = await two_devices(register)
    events = [of_user("user.deleted", user.id), *end_of(user, other)]
    return Write(admin, "DELETE", f"{USERS}/{user.id}", events)


@writes("restoreUser")
async def _restore_user(admin: Caller, register: Register) -> Write:
    user = await register()
    assert (await admin.delete(f"{USERS}/{user.id}", if_match="*")).is_success
    return Write(admin, "POST", f"{USERS}/{user.id}/restore", [of_user("user.restored", user.id)])


# Roles and permissions.


@writes("updateRole")
async def _update_role(admin: Caller, _: Register) -> Write:
    role_id = (await given.role(admin))["id"]
    return Write(admin, "PATCH", f"{ROLES}/{role_id}", [of_role("role.updated", role_id)], {"title": "Chief"})


@writes("deleteRole")
async def _delete_role(admin: Caller, _: Register) -> Write:
    role_id = (await given.role(admin))["id"]
    await given.role(admin, parent_ids=[role_id])
    return Write(admin, "DELETE", f"{ROLES}/{role_id}", [of_role("role.deleted", role_id)])


@writes("replaceRolePermissions")
async def _replace_role_permissions(admin: Caller, _: Register) -> Write:
    permission, former = await given.permission(admin), await given.permission(admin)
    role_id = (await given.role(admin, former["name"]))["id"]
    event = of_role("role.permissions_changed", role_id)
    body = {"permission_ids": [permission["id"]]}
    return Write(admin, "PUT", f"{ROLES}/{role_id}/permissions", [event], body)


@writes("replaceRoleParents")
async def _replace_role_parents(admin: Caller, _: Register) -> Write:
    parent, former = await given.role(admin), await given.role(admin)
    role_id = (await given.role(admin, parent_ids=[former["id"]]))["id"]
    event = of_role("role.parents_changed", role_id)
    return Write(admin, "PUT", f"{ROLES}/{role_id}/parents", [event], {"parent_ids": [parent["id"]]})


@writes("grantPermission")
async def _grant_permission(admin: Caller, _: Register) -> Write:
    role_id, permission_id = (await given.role(admin))["id"], (await given.permission(admin))["id"]
    event = of_role("role.permissions_changed", role_id)
    return Write(admin, "PUT", f"{ROLES}/{role_id}/permissions/{permission_id}", [event])


@writes("withdrawPermission")
async def _withdraw_permission(admin: Caller, _: Register) -> Write:
    permission = await given.permission(admin)
    role_id = (await given.role(admin, permission["name"]))["id"]
    event = of_role("role.permissions_changed", role_id)
    return Write(admin, "DELETE", f"{ROLES}/{role_id}/permissions/{permission['id']}", [event])


@writes("updatePermission")
async def _update_permission(admin: Caller, _: Register) -> Write:
    permission_id = (await given.permission(admin))["id"]
    event = of_permission("permission.updated", permission_id)
    return Write(admin, "PATCH", f"{PERMISSIONS}/{permission_id}", [event], {"description": "New."})


@writes("deletePermission")
async def _delete_permission(admin: Caller, _: Register) -> Write:
    permission = await given.permission(admin)
    await given.role(admin, permission["name"])
    event = of_permission("permission.deleted", permission["id"])
    return Write(admin, "DELETE", f"{PERMISSIONS}/{permission['id']}", [event])


# Roles of users and of service accounts.


async def _user_path(admin: Caller) -> str:
    return f"{USERS}/{(await given.user(admin))['id']}"


async def _account_path(admin: Caller) -> str:
    return f"{ACCOUNTS}/{(await account(admin))['id']}"


async def _role(admin: Caller) -> Json:
    """A role that gives something, but not everything."""
    return await given.role(admin, "articles:publish")


def assigned(make_owner: Callable[[Caller], Awaitable[str]], replace: str, assign: str, withdraw: str) -> None:
    """Add the writes of the roles of one kind of account. `make_owner` makes an account and returns its path."""

    @writes(replace)
    async def prepare_replacement(admin: Caller, _: Register) -> Write:
        owner, former, role = await make_owner(admin), await _role(admin), await _role(admin)
        assert (await admin.put(f"{owner}/roles/{former['id']}")).is_success
        events = [
            of_assignment("role_withdrawn", owner, former["id"]),
            of_assignment("role_assigned", owner, role["id"]),
        ]
        return Write(admin, "PUT", f"{owner}/roles", events, {"assignments": [{"role_id": role["id"]}]})

    @writes(assign)
    async def prepare_assignment(admin: Caller, _: Register) -> Write:
        owner, role = await make_owner(admin), await _role(admin)
        event = of_assignment("role_assigned", owner, role["id"])
        return Write(admin, "PUT", f"{owner}/roles/{role['id']}", [event], {"reason": "Blog."})

    @writes(f"{assign} on other terms")
    async def prepare_change(admin: Caller, _: Register) -> Write:
        owner, role = await make_owner(admin), await _role(admin)
        assert (await admin.put(f"{owner}/roles/{role['id']}", {"reason": "Blog."})).is_success
        event = of_assignment("role_assigned", owner, role["id"])
        return Write(admin, "PUT", f"{owner}/roles/{role['id']}", [event], {"reason": "News."})

    @writes(withdraw)
    async def prepare_withdrawal(admin: Caller, _: Register) -> Write:
        owner, role = await make_owner(admin), await _role(admin)
        assert (await admin.put(f"{owner}/roles/{role['id']}")).is_success
        event = of_assignment("role_withdrawn", owner, role["id"])
        return Write(admin, "DELETE", f"{owner}/roles/{role['id']}", [event])


assigned(_user_path, "replaceUserRoles", "assignRole", "withdrawRole")
assigned(_account_path, "replaceServiceAccountRoles", "assignServiceAccountRole", "withdrawServiceAccountRole")


# Service accounts, their keys and their tokens.


@writes("updateServiceAccount")
async def _update_service_account(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    event = of_account("service_account.updated", one.id)
    return Write(admin, "PATCH", one.path, [event], {"description": "New."})


@writes("updateServiceAccount that deactivates")
async def _deactivate_service_account(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    events = [of_account("service_account.updated", one.id), *revocation_of(one.key_id)]
    return Write(admin, "PATCH", one.path, events, {"is_active": False})


@writes("deleteServiceAccount")
async def _delete_service_account(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    events = [of_account("service_account.deleted", one.id), *revocation_of(one.key_id)]
    return Write(admin, "DELETE", one.path, events)


@writes("revokeApiKey")
async def _revoke_api_key(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    return Write(admin, "DELETE", f"{one.path}/keys/{one.key_id}", revocation_of(one.key_id))


@writes("issueToken")
async def _issue_token(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    form = {"grant_type": "client_credentials", "client_id": one.id, "client_secret": one.key}
    return Write(admin, "POST", TOKEN, [], form=form, is_anonymous=True)


@writes("introspectToken")
async def _introspect_token(admin: Caller, _: Register) -> Write:
    return Write(admin, "POST", "/api/v1/auth/introspect", [], form={"token": (await machine(admin)).key})


@writes("revokeToken of a key")
async def _revoke_key(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    return _end_by(admin, one.key, revocation_of(one.key_id), one.id, one.key_id)


@writes("revokeToken of a service account")
async def _revoke_service_token(admin: Caller, _: Register) -> Write:
    one = await machine(admin)
    token = await one.exchange()
    token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
    return _end_by(admin, token, [Event("token.revoked", "token", token_id)], one.id, one.key_id)


@writes("revokeToken of a session")
async def _revoke_access_token(_: Caller, register: Register) -> Write:
    user, _other = await two_devices(register)
    return _end_by(user, user.access_token, end_of(user), user.id)


@writes("revokeToken that refreshes")
async def _revoke_refresh_token(_: Caller, register: Register) -> Write:
    user, _other = await two_devices(register)
    return _end_by(user, user.refresh_token, end_of(user), user.id)


def _end_by(caller: Caller, token: str, events: list[Event], actor_id: str, key_id: str | None = None) -> Write:
    form = {"token": token}
    return Write(caller, "POST", REVOKE, events, form=form, is_anonymous=True, actor_id=actor_id, credential_id=key_id)


# Questions, which leave no events.

_QUESTIONS = [operation for operation in WRITING if operation.path.startswith("/api/v1/access/")]
_QUESTION = next(operation for operation in _QUESTIONS if operation.id == "evaluateAccess").minimal_body()


def asked(operation: Operation) -> None:
    @writes(operation.id)
    async def prepare(admin: Caller, _: Register) -> Write:
        return Write(admin, operation.method, operation.url(), [], operation.minimal_body() or _QUESTION)


for _operation in _QUESTIONS:
    asked(_operation)
