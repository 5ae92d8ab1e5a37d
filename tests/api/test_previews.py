"""`?dry_run=true` shows what a write would change, checks what the write checks, and writes nothing."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from tests.api import given, machines
from tests.api.operations import WRITING
from tests.api.problems import code_of
from tests.factories import RoleCreateFactory, unique
from tests.fixtures import Caller, Register

ROLES, USERS, PERMISSIONS = "/api/v1/roles", "/api/v1/users", "/api/v1/permissions"
ROBOTS = machines.ACCOUNTS
DRY: dict[str, Any] = {"params": {"dry_run": True}}
STATES = {
    table: f"SELECT coalesce(json_agg({table} ORDER BY {table}::text), '[]') FROM {table}"  # noqa: S608
    for table in ("roles", "permissions", "role_permissions", "role_inheritance", "user_roles", "service_account_roles")
}

ACCESS_PATHS = {"roles", "permissions"}
"""Parts of the paths under which roles, permissions, grants, parents and assignments are written."""
WITHOUT_PREVIEW = {
    "createPermission": "only holders of a wildcard gain by it, who hold whatever is yet to come",
    "updatePermission": "its description says nothing about who holds it; its name stays",
}

Change: TypeAlias = tuple[str, str, str | None]
"""Whose, which and where."""


class World(msgspec.Struct, frozen=True):
    """A base role with a permission, a role that inherits it, and a user of each."""

    permission: given.Json
    base: given.Json
    heir: given.Json
    user: given.Json
    heirs_user: given.Json
    """Has the heir, in a scope."""
    other: given.Json
    """A role with another permission."""
    robot: given.Json
    """A service account, which has the other role."""
    masters: set[tuple[str, str | None]]
    """By name, all who hold `*:*`, and with it whatever there is; and where."""

    @property
    def name(self) -> str:
        return str(self.permission["name"])

    @property
    def other_name(self) -> str:
        return str(self.other["permissions"][0]["name"])

    @property
    def all_lose(self) -> set[Change]:
        return {(self.user["email"], self.name, None), (self.heirs_user["email"], self.name, "site:blog")}


Send: TypeAlias = Callable[[Caller, World], Awaitable[httpx.Response]]


@pytest.fixture
async def world(admin: Caller, db: asyncpg.Connection) -> World:
    # Many roles of other tests would lose whatever is deleted here: more than a preview names.
    await db.execute(
        "DELETE FROM role_permissions USING permissions, roles WHERE permission_id = permissions.id"
        " AND permissions.name = '*:*' AND role_id = roles.id AND NOT roles.is_system"
    )
    permission, another = await given.permission(admin), await given.permission(admin)
    base = await given.role(admin, permission["name"])
    heir = await given.role(admin, parent_ids=[base["id"]])
    user, heirs_user = await given.user(admin), await given.user(admin)
    await given.assignment(admin, user["id"], base["id"])
    await given.assignment(admin, heirs_user["id"], heir["id"], scope="site:blog")
    other, robot = await given.role(admin, another["name"]), await machines.account(admin)
    assert (await admin.put(f"{ROBOTS}/{robot['id']}/roles/{other['id']}")).is_success
    return World(permission, base, heir, user, heirs_user, other, robot, await masters_of(admin))


async def masters_of(admin: Caller) -> set[tuple[str, str | None]]:
    everything = await given.permission(admin, "*:*")
    response = await admin.get(f"{PERMISSIONS}/{everything['id']}/holders", params={"limit": 100})
    masters = set()
    for item in response.json()["items"]:
        scopes = {grant["scope"] for grant in item["grants"]}
        masters |= {(item["subject"]["name"], scope) for scope in ({None} if None in scopes else scopes)}
    return masters


def changes(part: dict[str, Any]) -> set[Change]:
    found = {(item["subject"]["name"], item["permission"], item["scope"]) for item in part["items"]}
    assert part["total"] == len(part["items"]) == len(found)
    assert part["subjects"] == len({item["subject"]["id"] for item in part["items"]})
    return found


async def replace_parents(caller: Caller, world: World) -> httpx.Response:
    body = {"parent_ids": [world.other["id"]]}
    return await caller.put(f"{ROLES}/{world.heir['id']}/parents", body, if_match="*", **DRY)


async def replace_permissions(caller: Caller, world: World) -> httpx.Response:
    body = {"permission_ids": [world.other["permissions"][0]["id"]]}
    return await caller.put(f"{ROLES}/{world.base['id']}/permissions", body, if_match="*", **DRY)


async def grant_permission(caller: Caller, world: World) -> httpx.Response:
    path = f"{ROLES}/{world.base['id']}/permissions/{world.other['permissions'][0]['id']}"
    return await caller.put(path, **DRY)


async def withdraw_permission(caller: Caller, world: World) -> httpx.Response:
    return await caller.delete(f"{ROLES}/{world.base['id']}/permissions/{world.permission['id']}", **DRY)


async def delete_role(caller: Caller, world: World) -> httpx.Response:
    return await caller.delete(f"{ROLES}/{world.base['id']}", if_match="*", **DRY)


async def delete_permission(caller: Caller, world: World) -> httpx.Response:
    return await caller.delete(f"{PERMISSIONS}/{world.permission['id']}", if_match="*", **DRY)


async def update_role(caller: Caller, world: World) -> httpx.Response:
    return await caller.patch(f"{ROLES}/{world.base['id']}", {"title": "Chief"}, if_match="*", **DRY)


async def create_role(caller: Caller, world: World) -> httpx.Response:
    body = msgspec.to_builtins(RoleCreateFactory.build(parent_ids=[world.base["id"]]))
    return await caller.post(ROLES, body, **DRY)


async def assign_role(caller: Caller, world: World) -> httpx.Response:
    return await caller.put(f"{USERS}/{world.user['id']}/roles/{world.other['id']}", {"scope": "site:blog"}, **DRY)


async def replace_roles(caller: Caller, world: World) -> httpx.Response:
    body = {"assignments": [{"role_id": world.other["id"]}, {"role_id": world.heir["id"], "scope": "site:news"}]}
    return await caller.put(f"{USERS}/{world.user['id']}/roles", body, if_match="*", **DRY)


async def withdraw_role(caller: Caller, world: World) -> httpx.Response:
    params = {"dry_run": True, "scope": "site:blog"}
    return await caller.delete(f"{USERS}/{world.heirs_user['id']}/roles/{world.heir['id']}", params=params)


async def assign_robot_role(caller: Caller, world: World) -> httpx.Response:
    return await caller.put(f"{ROBOTS}/{world.robot['id']}/roles/{world.heir['id']}", {"scope": "site:blog"}, **DRY)


async def replace_robot_roles(caller: Caller, world: World) -> httpx.Response:
    body = {"assignments": [{"role_id": world.base["id"]}]}
    return await caller.put(f"{ROBOTS}/{world.robot['id']}/roles", body, if_match="*", **DRY)


async def withdraw_robot_role(caller: Caller, world: World) -> httpx.Response:
    return await caller.delete(f"{ROBOTS}/{world.robot['id']}/roles/{world.other['id']}", **DRY)


def all_gain(world: World) -> set[Change]:
    return {(email, world.other_name, scope) for email, _, scope in world.all_lose}


def heir_loses(world: World) -> set[Change]:
    return {(world.heirs_user["email"], world.name, "site:blog")}


def nobody(_: World) -> set[Change]:
    return set()


Expected: TypeAlias = Callable[[World], set[Change]]
WRITES: list[tuple[Send, Expected, Expected]] = [
    (replace_parents, lambda w: {(w.heirs_user["email"], w.other_name, "site:blog")}, heir_loses),
    (replace_permissions, all_gain, lambda w: w.all_lose),
    (grant_permission, all_gain, nobody),
    (withdraw_permission, nobody, lambda w: w.all_lose),
    (delete_role, nobody, lambda w: w.all_lose),
    (delete_permission, nobody, lambda w: w.all_lose | {(name, w.name, scope) for name, scope in w.masters}),
    (update_role, nobody, nobody),
    (create_role, nobody, nobody),
    (assign_role, lambda w: {(w.user["email"], w.other_name, "site:blog")}, nobody),
    (
        replace_roles,
        # What was held everywhere and stays in one scope is no gain there.
        lambda w: {(w.user["email"], w.other_name, None)},
        lambda w: {(w.user["email"], w.name, None)},
    ),
    (withdraw_role, nobody, heir_loses),
    (assign_robot_role, lambda w: {(w.robot["name"], w.name, "site:blog")}, nobody),
    (
        replace_robot_roles,
        lambda w: {(w.robot["name"], w.name, None)},
        lambda w: {(w.robot["name"], w.other_name, None)},
    ),
    (withdraw_robot_role, nobody, lambda w: {(w.robot["name"], w.other_name, None)}),
]


@pytest.mark.parametrize(("send", "gains", "losses"), WRITES, ids=[send.__name__ for send, _, _ in WRITES])
async def test_preview_names_who_gains_and_who_loses_and_writes_nothing(
    admin: Caller, db: asyncpg.Connection, world: World, send: Send, gains: Expected, losses: Expected
) -> None:
    async def state() -> list[Any]:
        return [await db.fetchval(query) for query in STATES.values()]

    before = await state()
    response = await send(admin, world)
    assert response.status_code == 202, response.text
    assert "etag" not in response.headers
    preview = response.json()
    assert (changes(preview["gains"]), changes(preview["losses"])) == (gains(world), losses(world))
    assert await state() == before
    request_id = response.headers["x-request-id"]
    assert await db.fetchval("SELECT count(*) FROM audit_events WHERE request_id = $1", request_id) == 0


def test_every_write_of_access_has_a_preview() -> None:
    writes = {each.id for each in WRITING if ACCESS_PATHS & set(each.path.split("/"))}
    dry = {each.id for each in WRITING if any(query["name"] == "dry_run" for query in each.parameters_in("query"))}
    assert WITHOUT_PREVIEW.keys() <= writes
    assert dry == writes - WITHOUT_PREVIEW.keys()


async def test_nothing_is_gained_or_lost_that_is_held_otherwise(admin: Caller) -> None:
    resource = unique("articles")
    narrow, wild = await given.role(admin, f"{resource}:publish"), await given.role(admin, f"{resource}:*")
    covered, partly, bare = [await given.user(admin) for _ in range(3)]
    for user, terms in ((covered, {}), (partly, {"scope": "site:blog"})):
        await given.assignment(admin, user["id"], wild["id"], **terms)
    for user in (covered, partly, bare):
        await given.assignment(admin, user["id"], narrow["id"])
        await given.assignment(admin, user["id"], narrow["id"], scope="site:blog")
    path = f"{ROLES}/{narrow['id']}"
    preview = (await admin.delete(path, if_match="*", **DRY)).json()
    publish = f"{resource}:publish"
    assert changes(preview["losses"]) == {(user["email"], publish, None) for user in (partly, bare)}
    by_wildcard = {"permission_ids": [wild["permissions"][0]["id"]]}
    preview = (await admin.put(f"{path}/permissions", by_wildcard, if_match="*", **DRY)).json()
    assert changes(preview["losses"]) == set()
    assert changes(preview["gains"]) == {(user["email"], f"{resource}:*", None) for user in (partly, bare)}


@pytest.mark.parametrize("window", [{"not_before": "2100-01-01T00:00:00Z"}, {"expires_at": "2000-01-01T00:00:00Z"}])
async def test_nobody_loses_what_is_not_held_at_this_time(
    admin: Caller, db: asyncpg.Connection, window: dict[str, str]
) -> None:
    role, now, another_time = await given.role(admin, "users:read"), *[await given.user(admin) for _ in range(2)]
    for user in (now, another_time):
        await given.assignment(admin, user["id"], role["id"])
    [(column, instant)] = window.items()
    await db.execute(
        f"UPDATE user_roles SET {column} = $2 WHERE user_id = $1",  # noqa: S608 - our own words
        UUID(another_time["id"]),
        datetime.fromisoformat(instant),
    )

    preview = (await admin.delete(f"{ROLES}/{role['id']}", if_match="*", **DRY)).json()

    assert changes(preview["losses"]) == {(now["email"], "users:read", None)}


async def test_preview_is_refused_as_the_write_is(admin: Caller, register: Register, world: World) -> None:
    weak = await given.caller(admin, register, "roles:update", "users:assign_roles")
    path = f"{ROLES}/{world.base['id']}"
    for response, status, code in (
        (await replace_parents(weak, world), 403, "escalation_refused"),
        (await assign_role(weak, world), 403, "escalation_refused"),
        (await delete_role(weak, world), 403, "permission_denied"),
        (
            await admin.put(f"{path}/parents", {"parent_ids": [world.heir["id"]]}, if_match="*", **DRY),
            409,
            "role_cycle",
        ),
        (await admin.delete(path, if_match='"999"', **DRY), 412, "precondition_failed"),
        (await admin.delete(path, **DRY), 428, "precondition_required"),
        (await admin.delete(f"{ROLES}/{world.user['id']}", if_match="*", **DRY), 404, "not_found"),
        (await admin.delete(path, if_match="*", params={"dry_run": "perhaps"}), 400, "validation_failed"),
    ):
        assert code_of(response, status) == code


async def test_accounts_are_counted_and_not_named_to_those_who_may_not_see_them(
    admin: Caller, register: Register, world: World
) -> None:
    caller = await given.caller(admin, register, "roles:update")
    response = await caller.delete(f"{ROLES}/{world.base['id']}/permissions/{world.permission['id']}", **DRY)
    assert response.json()["losses"] == {"total": 2, "subjects": 2, "items": []}


async def test_service_accounts_gain_and_lose_too(admin: Caller, db: asyncpg.Connection, world: World) -> None:
    name = unique("robot")
    await db.execute(
        "WITH made AS (INSERT INTO service_accounts (id, name, description) VALUES (gen_random_uuid(), $1, '') "
        "RETURNING id) INSERT INTO service_account_roles (id, service_account_id, role_id) "
        "SELECT gen_random_uuid(), id, $2 FROM made",
        name,
        world.heir["id"],
    )
    preview = (await delete_permission(admin, world)).json()
    masters = {(each, world.name, scope) for each, scope in world.masters}
    assert changes(preview["losses"]) == world.all_lose | masters | {(name, world.name, None)}
    found = {item["subject"]["name"]: item["subject"]["type"] for item in preview["losses"]["items"]}
    assert (found[name], found[world.user["email"]]) == ("service", "user")
    holders = (await admin.get(f"{PERMISSIONS}/{world.permission['id']}/holders", params={"limit": 100})).json()
    assert name in json.dumps(holders)


async def test_a_hundred_changes_are_named_and_all_are_counted(admin: Caller, db: asyncpg.Connection) -> None:
    names = [(await given.permission(admin))["name"] for _ in range(2)]
    role, stem = await given.role(admin, *names), unique("many")
    await db.execute(
        "WITH made AS (INSERT INTO users (id, email, display_name) SELECT gen_random_uuid(), "
        "$1 || n || '@example.org', 'Many' FROM generate_series(1, 70) n RETURNING id) "
        "INSERT INTO user_roles (id, user_id, role_id) SELECT gen_random_uuid(), id, $2 FROM made",
        stem,
        role["id"],
    )
    losses = (await admin.delete(f"{ROLES}/{role['id']}", if_match="*", **DRY)).json()["losses"]
    assert (losses["total"], losses["subjects"], len(losses["items"])) == (140, 70, 100)
