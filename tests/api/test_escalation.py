"""Nobody grants, by any route, a permission that they do not hold."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.repositories.access import WITHDRAWALS_LOCK
from tests.api import given
from tests.api.problems import code_of
from tests.api.test_routes import PERMISSIONS
from tests.eventually import eventually
from tests.factories import RoleCreateFactory, unique, unique_email
from tests.fixtures import Caller, Register

FUTURE, SOON, PAST = "2999-01-01T00:00:00Z", "2998-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


class Manager(msgspec.Struct, frozen=True):
    """A caller who may call every route, and holds whatever a test lets it hold besides."""

    caller: Caller
    admin: Caller
    base_role_id: str
    bystander_id: str
    """A user who matters to no test."""

    async def hold(self, *permissions: str, **terms: Any) -> None:
        assignments = [{"role_id": self.base_role_id}]
        if permissions:
            assignments.append({"role_id": (await given.role(self.admin, *permissions))["id"], **terms})
        path = f"/api/v1/users/{self.caller.id}/roles"
        assert (await self.admin.put(path, {"assignments": assignments}, if_match="*")).is_success


class Target(msgspec.Struct, frozen=True):
    """What a manager would give, and to whom."""

    permission_id: str
    role_id: str
    """Holds the permission."""
    heir_role_id: str
    """Inherits a role that inherits that one."""
    empty_role_id: str
    user_id: str
    """Does not have the role."""
    holder_id: str
    """Has the role."""
    deleted_id: str
    """Had the role when it was deleted."""


Route: TypeAlias = Callable[[Caller, Target], Awaitable[httpx.Response]]


async def create_role(caller: Caller, target: Target) -> httpx.Response:
    body = msgspec.to_builtins(RoleCreateFactory.build(permission_ids=[target.permission_id]))
    return await caller.post("/api/v1/roles", body)


async def create_heir(caller: Caller, target: Target) -> httpx.Response:
    body = msgspec.to_builtins(RoleCreateFactory.build(parent_ids=[target.heir_role_id]))
    return await caller.post("/api/v1/roles", body)


async def replace_parents(caller: Caller, target: Target) -> httpx.Response:
    body = {"parent_ids": [target.heir_role_id]}
    return await caller.put(f"/api/v1/roles/{target.empty_role_id}/parents", body, if_match="*")


async def assign_heir(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{target.user_id}/roles/{target.heir_role_id}")


async def replace_permissions(caller: Caller, target: Target) -> httpx.Response:
    body = {"permission_ids": [target.permission_id]}
    return await caller.put(f"/api/v1/roles/{target.empty_role_id}/permissions", body, if_match="*")


async def grant_permission(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/roles/{target.empty_role_id}/permissions/{target.permission_id}")


async def assign_role(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{target.user_id}/roles/{target.role_id}")


async def assign_role_to_oneself(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{caller.id}/roles/{target.role_id}")


async def assign_role_for_later(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{target.user_id}/roles/{target.role_id}", {"not_before": FUTURE})


async def assign_role_in_a_scope(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{target.user_id}/roles/{target.role_id}", {"scope": "site:blog"})


async def prolong_assignment(caller: Caller, target: Target) -> httpx.Response:
    return await caller.put(f"/api/v1/users/{target.holder_id}/roles/{target.role_id}", {"expires_at": FUTURE})


async def replace_roles(caller: Caller, target: Target) -> httpx.Response:
    body = {"assignments": [{"role_id": target.empty_role_id}, {"role_id": target.role_id}]}
    return await caller.put(f"/api/v1/users/{target.user_id}/roles", body, if_match="*")


async def replace_roles_within_a_scope(caller: Caller, target: Target) -> httpx.Response:
    body = {"assignments": [{"role_id": target.role_id, "scope": "site:blog"}]}
    return await caller.put(f"/api/v1/users/{target.user_id}/roles", body, if_match="*")


async def take_over_by_email(caller: Caller, target: Target) -> httpx.Response:
    return await caller.patch(f"/api/v1/users/{target.holder_id}", {"email": unique_email()}, if_match="*")


async def deactivate(caller: Caller, target: Target) -> httpx.Response:
    return await caller.post(f"/api/v1/users/{target.holder_id}/deactivate")


async def activate(caller: Caller, target: Target) -> httpx.Response:
    return await caller.post(f"/api/v1/users/{target.holder_id}/activate")


async def activate_by_update(caller: Caller, target: Target) -> httpx.Response:
    return await caller.patch(f"/api/v1/users/{target.holder_id}", {"is_active": True}, if_match="*")


async def restore(caller: Caller, target: Target) -> httpx.Response:
    return await caller.post(f"/api/v1/users/{target.deleted_id}/restore")


async def delete(caller: Caller, target: Target) -> httpx.Response:
    return await caller.delete(f"/api/v1/users/{target.holder_id}", if_match="*")


async def lift_throttle(caller: Caller, target: Target) -> httpx.Response:
    """Whoever may do this again and again may guess without end."""
    return await caller.delete(f"/api/v1/users/{target.holder_id}/throttle")


ROUTES: list[Route] = [
    create_role,
    create_heir,
    replace_parents,
    assign_heir,
    replace_permissions,
    grant_permission,
    assign_role,
    assign_role_to_oneself,
    assign_role_for_later,
    assign_role_in_a_scope,
    prolong_assignment,
    replace_roles,
    replace_roles_within_a_scope,
    take_over_by_email,
    deactivate,
    activate,
    activate_by_update,
    restore,
    delete,
    lift_throttle,
]
POWER_OVER_ACCOUNTS = ROUTES[-7:]


@pytest.fixture(scope="module")
async def manager(admin: Caller, register: Register) -> Manager:
    return Manager(
        caller=await register(),
        admin=admin,
        base_role_id=(await given.role(admin, *PERMISSIONS))["id"],
        bystander_id=(await given.user(admin))["id"],
    )


async def target_of(manager: Manager, permission: str, **terms: Any) -> Target:
    admin = manager.admin
    role = await given.role(admin, permission)
    holder, deleted = await given.user(admin), await given.user(admin)
    for user in (holder, deleted):
        await given.assignment(admin, user["id"], role["id"], **terms)
    assert (await admin.delete(f"/api/v1/users/{deleted['id']}", if_match="*")).is_success
    child = await given.role(admin, parent_ids=[role["id"]])
    return Target(
        permission_id=role["permissions"][0]["id"],
        role_id=role["id"],
        heir_role_id=(await given.role(admin, parent_ids=[child["id"]]))["id"],
        empty_role_id=(await given.role(admin))["id"],
        user_id=manager.bystander_id,
        holder_id=holder["id"],
        deleted_id=deleted["id"],
    )


async def granted(db: asyncpg.Connection, permission_id: str) -> list[asyncpg.Record]:
    """Everything by which anybody may hold the permission."""
    return await db.fetch(
        "SELECT r.id, ur.user_id, ur.scope, ur.not_before, ur.expires_at, u.email, u.is_active "
        "FROM role_permissions rp JOIN roles r ON r.id = rp.role_id LEFT JOIN user_roles ur ON ur.role_id = r.id "
        "LEFT JOIN users u ON u.id = ur.user_id WHERE rp.permission_id = $1 ORDER BY 1, 2, 3",
        permission_id,
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("held", "wanted", "is_held"),
    [
        ([], "{a}:publish", False),
        (["{a}:publish"], "{a}:*", False),
        (["{a}:*"], "{a}:publish", True),
        (["{a}:*", "{b}:*"], "*:*", False),
    ],
)
async def test_permission_is_granted_only_when_the_actor_holds_it(
    manager: Manager, db: asyncpg.Connection, route: Route, held: list[str], wanted: str, is_held: bool
) -> None:
    names = {"a": unique("articles"), "b": unique("books")}
    await manager.hold(*(name.format(**names) for name in held))
    target = await target_of(manager, wanted.format(**names))
    before = await granted(db, target.permission_id)
    response = await route(manager.caller, target)
    if is_held:
        assert response.is_success, response.text
    else:
        assert code_of(response, 403) == "escalation_refused"
        assert await granted(db, target.permission_id) == before


@pytest.mark.parametrize("route", POWER_OVER_ACCOUNTS)
async def test_account_is_out_of_reach_when_its_power_is_still_to_come(manager: Manager, route: Route) -> None:
    await manager.hold()
    target = await target_of(manager, "*:*", not_before=FUTURE)
    assert code_of(await route(manager.caller, target), 403) == "escalation_refused"


@pytest.mark.parametrize("route", POWER_OVER_ACCOUNTS)
async def test_account_is_within_reach_when_its_power_is_over(manager: Manager, route: Route) -> None:
    await manager.hold()
    target = await target_of(manager, "*:*", expires_at=PAST)
    assert (await route(manager.caller, target)).is_success


@pytest.mark.parametrize("terms", [{"expires_at": PAST}, {"not_before": FUTURE}])
@pytest.mark.parametrize("route", [create_role, assign_role])
async def test_permission_does_not_count_as_held_when_its_time_is_over_or_to_come(
    manager: Manager, route: Route, terms: dict[str, str]
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, **terms)
    assert code_of(await route(manager.caller, await target_of(manager, name)), 403) == "escalation_refused"


@pytest.mark.parametrize(
    ("held_in", "given_in", "is_held"),
    [
        (None, None, True),
        (None, "site:blog", True),
        ("site:blog", "site:blog", True),
        ("site:blog", "site:news", False),
        ("site:blog", "site:blog2", False),
        ("site:blog", None, False),
    ],
)
@pytest.mark.parametrize("replaces", [False, True])
async def test_role_is_assigned_only_in_a_scope_in_which_the_actor_holds_it(
    manager: Manager, replaces: bool, held_in: str | None, given_in: str | None, is_held: bool
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, scope=held_in)
    target = await target_of(manager, name)
    path, terms = f"/api/v1/users/{target.user_id}/roles", {"scope": given_in}
    if replaces:
        body = {"assignments": [terms | {"role_id": target.role_id}]}
        response = await manager.caller.put(path, body, if_match="*")
    else:
        response = await manager.caller.put(f"{path}/{target.role_id}", terms)
    if is_held:
        assert response.is_success, response.text
    else:
        assert code_of(response, 403) == "escalation_refused"


@pytest.mark.parametrize(
    ("held_until", "given_until", "is_held"),
    [
        ([SOON], SOON, True),
        ([SOON], FUTURE, False),
        ([SOON], None, False),
        ([SOON, FUTURE], FUTURE, True),
        ([SOON, None], None, True),
    ],
)
async def test_role_is_assigned_only_for_as_long_as_the_actor_holds_it(
    manager: Manager, held_until: list[str | None], given_until: str | None, is_held: bool
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, expires_at=held_until[0])
    for until in held_until[1:]:
        role = await given.role(manager.admin, name)
        await given.assignment(manager.admin, manager.caller.id, role["id"], expires_at=until)
    target = await target_of(manager, name)
    terms = {"expires_at": given_until}
    response = await manager.caller.put(f"/api/v1/users/{target.user_id}/roles/{target.heir_role_id}", terms)
    if is_held:
        assert response.is_success, response.text
    else:
        assert code_of(response, 403) == "escalation_refused"
        assert response.json()["detail"] == f"You do not hold {name} for that long yourself."


@pytest.mark.parametrize(
    "route", [create_role, create_heir, replace_parents, replace_permissions, grant_permission, *POWER_OVER_ACCOUNTS]
)
async def test_nothing_lasting_is_reached_when_the_actor_holds_the_permission_for_a_time(
    manager: Manager, route: Route
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, expires_at=FUTURE)
    assert code_of(await route(manager.caller, await target_of(manager, name)), 403) == "escalation_refused"


@pytest.mark.parametrize("route", POWER_OVER_ACCOUNTS)
async def test_account_is_within_reach_when_its_power_ends_with_that_of_the_actor(
    manager: Manager, route: Route
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, expires_at=FUTURE)
    assert (await route(manager.caller, await target_of(manager, name, expires_at=FUTURE))).is_success


async def test_temporary_administrator_does_not_stay_one(admin: Caller, register: Register) -> None:
    caller, other = await register(), await given.user(admin)
    role = await given.role(admin, "*:*")
    await given.assignment(admin, caller.id, role["id"], expires_at=SOON)
    [administrator] = (await admin.get("/api/v1/roles", params={"q": "administrator"})).json()["items"]
    for user_id in (caller.id, other["id"]):
        for role_id in (role["id"], administrator["id"]):
            for terms in ({}, {"expires_at": FUTURE}):
                response = await caller.put(f"/api/v1/users/{user_id}/roles/{role_id}", terms)
                assert code_of(response, 403) == "escalation_refused"
    assert (await caller.put(f"/api/v1/users/{other['id']}/roles/{role['id']}", {"expires_at": SOON})).is_success


@pytest.mark.parametrize("route", [create_role, replace_permissions, grant_permission, replace_parents, create_heir])
async def test_role_is_not_filled_when_the_actor_holds_the_permission_in_a_scope_only(
    manager: Manager, route: Route
) -> None:
    name = f"{unique('articles')}:publish"
    await manager.hold(name, scope="site:blog")
    assert code_of(await route(manager.caller, await target_of(manager, name)), 403) == "escalation_refused"


async def test_route_is_closed_when_its_permission_is_held_in_a_scope_only(admin: Caller, register: Register) -> None:
    caller = await register()
    role = await given.role(admin, "*:*")
    await given.assignment(admin, caller.id, role["id"], scope="site:blog")
    assert code_of(await caller.get("/api/v1/users"), 403) == "permission_denied"


async def test_what_the_actor_does_not_hold_may_stay_and_be_taken_away(manager: Manager) -> None:
    await manager.hold()
    target = await target_of(manager, f"{unique('articles')}:publish")
    path = f"/api/v1/users/{target.holder_id}/roles"
    kept = {"assignments": [{"role_id": target.role_id}, {"role_id": target.empty_role_id}]}
    assert (await manager.caller.put(path, kept, if_match="*")).is_success
    assert (await manager.caller.delete(f"{path}/{target.role_id}")).status_code == 204
    granted = f"/api/v1/roles/{target.role_id}/permissions"
    assert (await manager.caller.put(granted, {"permission_ids": [target.permission_id]}, if_match="*")).is_success
    assert (await manager.caller.delete(f"{granted}/{target.permission_id}")).status_code == 204


async def test_nothing_is_granted_when_one_of_several_permissions_is_not_held(manager: Manager) -> None:
    await manager.hold()
    held = await given.permission_ids(manager.admin, ["users:read", "roles:read"])
    beyond = await given.permission(manager.admin)
    role = await given.role(manager.admin)
    path = f"/api/v1/roles/{role['id']}/permissions"
    response = await manager.caller.put(path, {"permission_ids": [*held, beyond["id"]]}, if_match="*")
    assert code_of(response, 403) == "escalation_refused"
    assert beyond["name"] in response.json()["detail"]
    assert (await manager.admin.get(path)).json()["items"] == []


async def test_address_of_a_deleted_administrator_inherits_nothing_when_it_is_registered_again(
    admin: Caller, register: Register
) -> None:
    chief = await given.user(admin)
    await given.assignment(admin, chief["id"], (await given.role(admin, "*:*"))["id"])
    await admin.delete(f"/api/v1/users/{chief['id']}", if_match="*")
    heir = await register(email=chief["email"])
    assert heir.id != chief["id"]
    assert (await heir.get("/api/v1/users/me/permissions")).json()["items"] == []


async def test_role_is_refused_when_the_actor_was_deleted_while_it_waited(
    admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    """The request passed its guard while the account still counted."""
    actor, target = await register(), await given.user(admin)
    role = await given.role(admin, "*:*")
    await given.assignment(admin, actor.id, role["id"])
    await db.execute("SELECT pg_advisory_lock($1)", WITHDRAWALS_LOCK)
    try:
        assignment = asyncio.create_task(actor.put(f"/api/v1/users/{target['id']}/roles/{role['id']}"))
        await eventually(
            partial(
                db.fetchval,
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
        )
        await db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", actor.id)
    finally:
        await db.execute("SELECT pg_advisory_unlock($1)", WITHDRAWALS_LOCK)
    assert code_of(await assignment, 403) == "escalation_refused"
