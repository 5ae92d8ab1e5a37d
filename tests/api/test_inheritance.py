"""Roles inherit roles."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.factories import unique
from tests.fixtures import Caller, Register

ROLES = "/api/v1/roles"
NOTHING = "00000000-0000-7000-8000-000000000000"


def reference(role: given.Json) -> given.Json:
    return {name: role[name] for name in ("id", "name", "title")}


async def inherit(caller: Caller, role: given.Json, *parents: given.Json, if_match: str | None = "*") -> Any:
    body = {"parent_ids": [parent["id"] for parent in parents]}
    return await caller.put(f"{ROLES}/{role['id']}/parents", body, if_match=if_match)


async def chain(admin: Caller, *permissions: str, length: int = 3) -> list[given.Json]:
    """Roles of which each inherits the next; the last holds the permissions."""
    roles = [await given.role(admin, *permissions)]
    for _ in range(length - 1):
        roles.append(await given.role(admin, parent_ids=[roles[-1]["id"]]))
    return roles[::-1]


async def permissions_of(admin: Caller, user_id: str) -> list[str]:
    items = (await admin.get(f"/api/v1/users/{user_id}/permissions")).json()["items"]
    return [item["permission"]["name"] for item in items]


async def test_only_the_administrator_keeps_its_parents(admin: Caller) -> None:
    parent, everything = await given.role(admin), await given.role(admin, "*:*")
    administrator = await given_administrator(admin)

    assert code_of(await inherit(admin, administrator, parent), 409) == "system_protected"
    assert (await inherit(admin, everything, parent)).json()["parents"] == [reference(parent)]


async def test_role_shows_its_parents_and_its_entity_tag_covers_them(admin: Caller) -> None:
    first, second = sorted([await given.role(admin), await given.role(admin)], key=lambda role: str(role["name"]))
    role = await given.role(admin, parent_ids=[second["id"], first["id"], first["id"]])
    assert role["parents"] == [reference(first), reference(second)]
    path = f"{ROLES}/{role['id']}"
    tags = [(await admin.get(path)).headers["etag"]]
    changed = await inherit(admin, role, second)
    assert (changed.json()["parents"], changed.json()["version"]) == ([reference(second)], 2)
    assert (await admin.get(path)).headers["etag"] == changed.headers["etag"]
    assert (await admin.get(f"{path}/parents")).json()["items"] == [reference(second)]
    assert (await inherit(admin, role, second)).headers["etag"] == changed.headers["etag"]
    tags.append(changed.headers["etag"])
    await admin.patch(f"{ROLES}/{second['id']}", {"title": "Chief"}, if_match="*")
    tags.append((await admin.get(path)).headers["etag"])
    await admin.delete(f"{ROLES}/{second['id']}", if_match="*")
    after = (await admin.get(path)).json()
    assert (after["parents"], after["version"]) == ([], 3)
    assert code_of(await inherit(admin, role, if_match='"2"'), 412) == "precondition_failed"
    assert code_of(await inherit(admin, role, if_match=None), 428) == "precondition_required"
    assert len(set(tags)) == 3


async def test_whoever_has_a_role_has_what_it_inherits_until_a_link_breaks(admin: Caller, register: Register) -> None:
    for breaks in ("unlink", "delete"):
        user = await register()
        top, middle, bottom = await chain(admin, "roles:read")
        await given.assignment(admin, user.id, top["id"])
        assert (await user.get(ROLES)).status_code == 200
        [item] = (await user.get("/api/v1/users/me/permissions")).json()["items"]
        [source] = item["sources"]
        assert (source["role"], source["via"]) == (reference(top), [reference(middle), reference(bottom)])
        assert source["granted_by"] == admin.id
        if breaks == "unlink":
            assert (await inherit(admin, top)).is_success
        else:
            assert (await admin.delete(f"{ROLES}/{middle['id']}", if_match="*")).status_code == 204
        assert (await user.get(ROLES)).status_code == 403
        assert await permissions_of(admin, user.id) == []


async def test_deleted_role_is_linked_to_no_other(admin: Caller, db: asyncpg.Connection) -> None:
    top, middle, bottom = await chain(admin, "roles:read")

    assert (await admin.delete(f"{ROLES}/{middle['id']}", if_match="*")).status_code == 204

    links = "SELECT count(*) FROM role_inheritance WHERE $1 IN (role_id, parent_id)"
    assert await db.fetchval(links, middle["id"]) == 0
    versions = [(await admin.get(f"{ROLES}/{role['id']}")).json()["version"] for role in (top, bottom)]
    assert versions == [top["version"] + 1, bottom["version"]]


async def test_permission_names_every_role_that_holds_it_on_the_shortest_way(admin: Caller) -> None:
    user, name = await given.user(admin), (await given.permission(admin))["name"]
    base = await given.role(admin, name)
    middle = await given.role(admin, parent_ids=[base["id"]])
    top = await given.role(admin, name, parent_ids=[middle["id"], base["id"]])
    await given.assignment(admin, user["id"], top["id"], scope="site:blog")
    [item] = (await admin.get(f"/api/v1/users/{user['id']}/permissions")).json()["items"]
    assert (item["permission"]["name"], item["scope"]) == (name, "site:blog")
    ways = sorted(source["via"] for source in item["sources"])
    assert ways == [[], [reference(base)]]


async def test_circle_is_refused_with_the_way_by_name(admin: Caller) -> None:
    top, middle, bottom = await chain(admin)
    for parents, way in (((top,), (bottom, top, middle, bottom)), ((bottom,), (bottom, bottom))):
        response = await inherit(admin, bottom, *parents)
        assert code_of(response, 409) == "role_cycle"
        assert " → ".join(role["name"] for role in way) in response.json()["detail"]
    assert (await admin.get(f"{ROLES}/{bottom['id']}")).json() == bottom


async def test_one_link_is_made_when_two_that_close_a_circle_come_at_once(
    admin: Caller, db: asyncpg.Connection
) -> None:
    for _ in range(4):
        first, second = await given.role(admin), await given.role(admin)
        answers = await asyncio.gather(inherit(admin, first, second), inherit(admin, second, first))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        ids = [first["id"], second["id"]]
        assert await db.fetchval("SELECT count(*) FROM role_inheritance WHERE role_id = ANY($1)", ids) == 1


async def test_parent_is_refused_when_it_does_not_exist(admin: Caller) -> None:
    role, deleted = await given.role(admin), await given.role(admin)
    await admin.delete(f"{ROLES}/{deleted['id']}", if_match="*")
    ids = [NOTHING, role["id"], deleted["id"]]
    expected = {"/parent_ids/0": ["not_found"], "/parent_ids/2": ["not_found"]}
    assert faults_of(await admin.put(f"{ROLES}/{role['id']}/parents", {"parent_ids": ids}, if_match="*")) == expected
    body = {"name": unique("editor"), "title": "Editor", "parent_ids": ids, "permission_ids": [NOTHING]}
    assert faults_of(await admin.post(ROLES, body)) == expected | {"/permission_ids/0": ["not_found"]}
    many = {"parent_ids": [NOTHING] * 501}
    assert faults_of(await admin.put(f"{ROLES}/{role['id']}/parents", many, if_match="*")) == {
        "/parent_ids": ["too_long"]
    }


async def test_administrator_inherits_nothing_and_member_does(admin: Caller, register: Register) -> None:
    name = (await given.permission(admin))["name"]
    base = await given.role(admin, name)
    system = {role["name"]: role for role in (await admin.get(ROLES, params={"is_system": True})).json()["items"]}
    assert code_of(await inherit(admin, system["administrator"], base), 409) == "system_protected"
    assert (await inherit(admin, system["member"], base)).is_success
    try:
        user = await register()
        assert name in await permissions_of(admin, user.id)
    finally:
        assert (await inherit(admin, system["member"])).is_success


async def test_chain_of_thousands_of_roles_gives_what_its_end_holds(admin: Caller, db: asyncpg.Connection) -> None:
    stem, user = unique("link"), await given.user(admin)
    name = (await given.permission(admin))["name"]
    [end] = await chain(admin, name, length=1)
    await db.execute(
        "INSERT INTO roles (id, name, title, description) "
        "SELECT gen_random_uuid(), $1 || '-' || n, 'Link', '' FROM generate_series(1, 3000) n",
        stem,
    )
    await db.execute(
        "INSERT INTO role_inheritance (role_id, parent_id) SELECT child.id, parent.id FROM generate_series(1, 2999) n "
        "JOIN roles child ON child.name = $1 || '-' || n JOIN roles parent ON parent.name = $1 || '-' || (n + 1)",
        stem,
    )
    # Autovacuum does so a minute after thousands of rows have come at once; plans that were made before suit few.
    await db.execute("ANALYZE roles, role_inheritance")
    first, last = [
        {"id": str(await db.fetchval("SELECT id FROM roles WHERE name = $1", f"{stem}-{number}"))}
        for number in (1, 3000)
    ]
    assert (await inherit(admin, last, end)).is_success
    await given.assignment(admin, user["id"], first["id"])
    assert await permissions_of(admin, user["id"]) == [name]
    assert code_of(await inherit(admin, end, first), 409) == "role_cycle"
    [holder] = (await admin.get(f"{ROLES}/{end['id']}/users")).json()["items"]
    assert (holder["id"], [role["id"] for role in holder["through"]]) == (user["id"], [first["id"]])


@pytest.mark.parametrize("kind", ["roles", "permissions"])
async def test_holders_are_found_through_inheritance_and_wildcards_once_each(
    admin: Caller, register: Register, kind: str
) -> None:
    resource = unique("articles")
    permission = await given.permission(admin, f"{resource}:publish")
    base = await given.role(admin, permission["name"])
    heir = await given.role(admin, parent_ids=[base["id"]])
    wild = await given.role(admin, f"{resource}:*")
    other = await given.role(admin, f"{resource}:read")
    direct, inherited, both, by_wildcard, outsider, asleep, later = [await given.user(admin) for _ in range(7)]
    for user, roles, terms in (
        (direct, [base], {}),
        (inherited, [heir], {"scope": "site:blog"}),
        (both, [base, heir], {}),
        (by_wildcard, [wild], {}),
        (outsider, [other], {}),
        (asleep, [base], {}),
        (later, [heir], {"not_before": "2999-01-01T00:00:00Z"}),
    ):
        for role in roles:
            await given.assignment(admin, user["id"], role["id"], **terms)
    await admin.post(f"/api/v1/users/{asleep['id']}/deactivate")
    path = f"{ROLES}/{base['id']}/users" if kind == "roles" else f"/api/v1/permissions/{permission['id']}/holders"
    walked: list[given.Json] = []
    page: given.Json = {"next_cursor": None}
    while not walked or page["next_cursor"]:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = (await admin.get(path, params={"limit": 2, "include_total": True} | cursor)).json()
        walked += page["items"]
    assert page["total"] == len(walked)
    if kind == "roles":
        found = {item["id"]: {role["id"] for role in item["through"]} for item in walked}
        assert found == {
            direct["id"]: {base["id"]},
            inherited["id"]: {heir["id"]},
            both["id"]: {base["id"], heir["id"]},
        }
    else:
        holders = {
            item["subject"]["name"]: {
                (each["permission"], each["role"]["id"], each["scope"]) for each in item["grants"]
            }
            for item in walked
        }
        assert holders["admin@example.org"] >= {("*:*", (await given_administrator(admin))["id"], None)}
        expected = {
            direct["email"]: {(permission["name"], base["id"], None)},
            inherited["email"]: {(permission["name"], heir["id"], "site:blog")},
            both["email"]: {(permission["name"], base["id"], None), (permission["name"], heir["id"], None)},
            by_wildcard["email"]: {(f"{resource}:*", wild["id"], None)},
        }
        assert holders.items() >= expected.items()
        absent = {outsider["email"], asleep["email"], later["email"]}
        assert not holders.keys() & absent
    assert len({str(item) for item in walked}) == len(walked)


async def given_administrator(admin: Caller) -> given.Json:
    [role] = (await admin.get(ROLES, params={"q": "administrator", "is_system": True})).json()["items"]
    return dict(role)
