"""Roles of users, and what they amount to."""

from typing import Any

import asyncpg
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.factories import unique
from tests.fixtures import Caller, Register

FUTURE, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
NOBODY = "00000000-0000-7000-8000-000000000000"


def roles_of(user: given.Json) -> str:
    return f"/api/v1/users/{user['id']}/roles"


async def assigned(admin: Caller, user: given.Json) -> list[tuple[str, str | None]]:
    """Role and scope of each assignment."""
    page = (await admin.get(roles_of(user))).json()
    assert (page["next_cursor"], page["total"]) == (None, len(page["items"]))
    return [(item["role"]["id"], item["scope"]) for item in page["items"]]


async def test_role_opens_and_closes_doors_on_the_very_next_request(admin: Caller, register: Register) -> None:
    user = await register()
    role = await given.role(admin, "roles:read")
    path = f"/api/v1/users/{user.id}/roles/{role['id']}"
    assert (await user.get("/api/v1/roles")).status_code == 403
    assert (await admin.put(path)).status_code == 200
    assert (await user.get("/api/v1/roles")).status_code == 200
    assert (await admin.delete(path)).status_code == 204
    assert (await user.get("/api/v1/roles")).status_code == 403


async def test_doors_close_when_the_role_is_emptied_or_deleted(admin: Caller, register: Register) -> None:
    for close in ("permissions", ""):
        user = await register()
        role = await given.role(admin, "roles:read")
        await given.assignment(admin, user.id, role["id"])
        assert (await user.get("/api/v1/roles")).status_code == 200
        path = f"/api/v1/roles/{role['id']}"
        if close:
            await admin.put(f"{path}/permissions", {"permission_ids": []}, if_match="*")
        else:
            await admin.delete(path, if_match="*")
        assert (await user.get("/api/v1/roles")).status_code == 403


@pytest.mark.parametrize(
    ("terms", "is_open"),
    [
        ({}, True),
        ({"not_before": PAST}, True),
        ({"not_before": PAST, "expires_at": FUTURE}, True),
        ({"not_before": FUTURE}, False),
        ({"expires_at": PAST}, False),
        ({"scope": "site:blog"}, False),
    ],
)
async def test_role_counts_only_while_its_window_is_open_and_outside_any_scope(
    admin: Caller, register: Register, terms: dict[str, str], is_open: bool
) -> None:
    user = await register()
    role = await given.role(admin, "roles:read")
    await given.assignment(admin, user.id, role["id"], **terms)
    assert ((await user.get("/api/v1/roles")).status_code == 200) == is_open


async def test_assignment_shows_its_terms_and_who_gave_it(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    terms = {"scope": "site:blog", "not_before": PAST, "expires_at": FUTURE, "reason": "Stands in for Grace."}
    page = (await admin.put(f"{roles_of(user)}/{role['id']}", terms | {"role_id": role["id"]})).json()
    [item] = page["items"]
    assert item.items() >= (terms | {"granted_by": admin.id}).items()
    assert item["role"] == {name: role[name] for name in ("id", "name", "title")}
    assert (await admin.get(roles_of(user))).json() == page


async def test_assigning_again_changes_the_terms_and_never_doubles_the_role(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    path = f"{roles_of(user)}/{role['id']}"
    first = (await admin.put(path)).json()
    assert (await admin.put(path)).json() == first
    changed = (await admin.put(path, {"reason": "For good."})).json()
    assert [(item["id"], item["reason"]) for item in changed["items"]] == [(first["items"][0]["id"], "For good.")]


async def test_role_is_had_once_in_each_scope_and_withdrawn_from_one(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    for scope in (None, "site:blog", "site:news"):
        await given.assignment(admin, user["id"], role["id"], scope=scope)
    path = f"{roles_of(user)}/{role['id']}"
    assert (await admin.delete(path, params={"scope": "site:blog"})).status_code == 204
    assert await assigned(admin, user) == [(role["id"], None), (role["id"], "site:news")]
    assert (await admin.delete(path)).status_code == 204
    assert await assigned(admin, user) == [(role["id"], "site:news")]
    assert code_of(await admin.delete(path), 404) == "not_found"
    shown = (await admin.get(f"/api/v1/users/{user['id']}")).json()["roles"]
    assert [item["id"] for item in shown] == [role["id"]]


async def test_replacing_leaves_exactly_what_is_given(admin: Caller) -> None:
    user = await given.user(admin)
    kept, gone, new = [await given.role(admin) for _ in range(3)]
    for role in (kept, gone):
        await given.assignment(admin, user["id"], role["id"])
    before = {item["role"]["id"]: item["id"] for item in (await admin.get(roles_of(user))).json()["items"]}
    wanted = {"assignments": [{"role_id": kept["id"]}, {"role_id": new["id"], "scope": "site:blog"}]}
    page = (await admin.put(roles_of(user), wanted, if_match="*")).json()
    after = {item["role"]["id"]: item["id"] for item in page["items"]}
    assert after.keys() == {kept["id"], new["id"]}
    assert after[kept["id"]] == before[kept["id"]]
    assert (await admin.put(roles_of(user), {"assignments": []}, if_match="*")).json()["items"] == []


async def test_own_roles_are_replaced_by_others_that_give_as_much(admin: Caller, register: Register) -> None:
    powers = ["users:assign_roles", "roles:read"]
    user = await given.caller(admin, register, *powers)
    other = await given.role(admin, *powers)
    body = {"assignments": [{"role_id": other["id"]}]}
    response = await user.put(f"/api/v1/users/{user.id}/roles", body, if_match="*")
    assert response.status_code == 200
    assert (await user.get("/api/v1/roles")).status_code == 200


@pytest.mark.parametrize(
    ("item", "pointer", "code"),
    [
        ({"role_id": NOBODY}, "/assignments/1/role_id", "not_found"),
        ({"not_before": FUTURE, "expires_at": FUTURE}, "/assignments/1/expires_at", "empty_window"),
        ({"not_before": FUTURE, "expires_at": PAST}, "/assignments/1/expires_at", "empty_window"),
        ({"expires_at": "2026-01-01T00:00:00"}, "/assignments/1/expires_at", "not_a_datetime"),
        ({"scope": "blog"}, "/assignments/1/scope", "pattern"),
        ({"scope": "site:"}, "/assignments/1/scope", "pattern"),
        ({"reason": ""}, "/assignments/1/reason", "too_short"),
        ({"granted_by": NOBODY}, "/assignments/1/granted_by", "unknown_member"),
    ],
)
async def test_no_role_is_replaced_when_one_assignment_is_unacceptable(
    admin: Caller, item: dict[str, Any], pointer: str, code: str
) -> None:
    user, role, other = await given.user(admin), await given.role(admin), await given.role(admin)
    await given.assignment(admin, user["id"], role["id"])
    body = {"assignments": [{"role_id": other["id"]}, {"role_id": role["id"]} | item]}
    assert faults_of(await admin.put(roles_of(user), body, if_match="*")) == {pointer: [code]}
    assert await assigned(admin, user) == [(role["id"], None)]


async def test_replacing_is_refused_when_a_role_stands_twice_in_one_scope(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    once = {"role_id": role["id"], "scope": "site:blog"}
    body = {"assignments": [once, {"role_id": role["id"]}, once | {"reason": "Again."}]}
    assert faults_of(await admin.put(roles_of(user), body, if_match="*")) == {"/assignments/2": ["duplicate"]}


async def test_replacing_is_refused_when_it_would_keep_everybody_else_waiting(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    body = {"assignments": [{"role_id": role["id"], "scope": f"site:{number}"} for number in range(101)]}
    assert faults_of(await admin.put(roles_of(user), body, if_match="*")) == {"/assignments": ["too_long"]}


async def test_assignment_is_refused_when_the_body_names_another_role(admin: Caller) -> None:
    user, role, other = await given.user(admin), await given.role(admin), await given.role(admin)
    response = await admin.put(f"{roles_of(user)}/{role['id']}", {"role_id": other["id"]})
    assert faults_of(response) == {"/role_id": ["mismatch"]}


async def test_role_is_not_assigned_when_it_is_deleted(admin: Caller) -> None:
    user, role = await given.user(admin), await given.role(admin)
    await admin.delete(f"/api/v1/roles/{role['id']}", if_match="*")
    assert code_of(await admin.put(f"{roles_of(user)}/{role['id']}"), 404) == "not_found"
    body = {"assignments": [{"role_id": role["id"]}]}
    response = await admin.put(roles_of(user), body, if_match="*")
    assert faults_of(response) == {"/assignments/0/role_id": ["not_found"]}


async def test_permissions_add_up_and_each_names_every_assignment_that_gives_it(admin: Caller) -> None:
    user = await given.user(admin)
    shared, own = [(await given.permission(admin))["name"] for _ in range(2)]
    first, second = await given.role(admin, shared), await given.role(admin, shared, own)
    for role, terms in ((first, {}), (second, {}), (second, {"scope": "site:blog"}), (first, {"expires_at": PAST})):
        scope = {} if "expires_at" not in terms else {"scope": "site:past"}
        await given.assignment(admin, user["id"], role["id"], **terms, **scope)
    page = (await admin.get(f"/api/v1/users/{user['id']}/permissions")).json()
    found = {
        (item["permission"]["name"], item["scope"]): {source["role"]["id"] for source in item["sources"]}
        for item in page["items"]
    }
    assert found == {
        (shared, None): {first["id"], second["id"]},
        (own, None): {second["id"]},
        (shared, "site:blog"): {second["id"]},
        (own, "site:blog"): {second["id"]},
    }
    assert page["total"] == len(page["items"]) == 4


async def test_permissions_and_their_sources_come_in_order(admin: Caller) -> None:
    stem = unique("order")
    names = [f"{stem}:{action}" for action in ("cut", "burn")]
    user = await given.user(admin)
    far, near = [await given.role(admin, *names, name=f"{stem}-{letter}") for letter in "ed"]
    third, second = [await given.role(admin, *names, name=f"{stem}-{letter}") for letter in "cb"]
    heir = await given.role(admin, name=f"{stem}-a", parent_ids=[far["id"], near["id"]])
    for role, scope in ((third, "site:z"), (third, None), (third, "site:a"), (second, None), (heir, None)):
        await given.assignment(admin, user["id"], role["id"], scope=scope)

    items = (await admin.get(f"/api/v1/users/{user['id']}/permissions")).json()["items"]

    places = [(name, scope) for name in sorted(names) for scope in (None, "site:a", "site:z")]
    assert [(item["permission"]["name"], item["scope"]) for item in items] == places
    told = [[(source["role"]["id"], [role["id"] for role in source["via"]]) for source in i["sources"]] for i in items]
    # The nearest first; those that are equally near, by their names.
    everywhere = [(second["id"], []), (third["id"], []), (heir["id"], [near["id"]]), (heir["id"], [far["id"]])]
    assert told == [everywhere, [(third["id"], [])], [(third["id"], [])]] * 2


@pytest.mark.parametrize(
    ("roles", "permissions", "told"), [(1000, 1, 1000), (1001, 1, 1000), (500, 2, 500), (501, 2, 500)]
)
async def test_thousand_sources_are_told_and_shared_among_the_permissions(
    admin: Caller, db: asyncpg.Connection, roles: int, permissions: int, told: int
) -> None:
    user, stem = await given.user(admin), unique("source")
    ids = [(await given.permission(admin))["id"] for _ in range(permissions)]
    await db.execute(
        """
        WITH made AS (
            INSERT INTO roles (id, name, title, description)
            SELECT gen_random_uuid(), $1 || n, 'Source', '' FROM generate_series(1, $2) n RETURNING id
        ), held AS (
            INSERT INTO role_permissions (role_id, permission_id)
            SELECT made.id, permission_id FROM made, unnest($3::uuid[]) permission_id
        )
        INSERT INTO user_roles (id, user_id, role_id) SELECT gen_random_uuid(), $4, id FROM made
        """,
        stem,
        roles,
        ids,
        user["id"],
    )

    items = (await admin.get(f"/api/v1/users/{user['id']}/permissions")).json()["items"]

    assert [len(item["sources"]) for item in items] == [told] * permissions
