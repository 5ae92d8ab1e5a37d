"""Lists: their pages, orders, filters and totals."""

import base64
from typing import Any

import pytest

from cms_service.schemas import PermissionSort, RoleSort, ServiceAccountSort, UserSort
from tests.api import given
from tests.api.machines import ACCOUNTS, account, machine
from tests.api.operations import OPERATIONS
from tests.api.problems import faults_of
from tests.factories import unique
from tests.fixtures import Caller

Items = list[dict[str, Any]]

USERS, ROLES, PERMISSIONS, EVENTS = (f"/api/v1/{name}" for name in ("users", "roles", "permissions", "audit-events"))
LISTS = sorted(
    operation.path
    for operation in OPERATIONS
    if not operation.has_path_parameters and any(each["name"] == "cursor" for each in operation.parameters)
)
COUNTED = sorted(
    operation.path for operation in OPERATIONS if any(each["name"] == "include_total" for each in operation.parameters)
)


async def fetch(caller: Caller, path: str, **parameters: Any) -> dict[str, Any]:
    response = await caller.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def items(caller: Caller, path: str, **parameters: Any) -> Items:
    return list((await fetch(caller, path, limit=100, **parameters))["items"])


async def ids(caller: Caller, path: str, **parameters: Any) -> list[str]:
    return [item["id"] for item in await items(caller, path, **parameters)]


async def make(admin: Caller, path: str, tag: str) -> str:
    """One more item that `q=tag` finds; all sort the same by what people read."""
    match path:
        case "/api/v1/users":
            made = await given.user(admin, display_name=tag)
        case "/api/v1/roles":
            made = await given.role(admin, title=tag)
        case "/api/v1/service-accounts":
            made = await account(admin, description=tag)
        case _:
            made = await given.permission(admin, description=tag)
    return str(made["id"])


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("path", [USERS, ROLES, PERMISSIONS, ACCOUNTS])
async def test_pages_hold_each_item_once_when_they_are_walked(admin: Caller, path: str, limit: int, count: int) -> None:
    tag = unique("walk")
    made = [await make(admin, path, tag) for _ in range(count)]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await fetch(admin, path, q=tag, limit=limit, **cursor)
        assert len(page["items"]) <= limit
        walked += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == limit
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(walked) == sorted(made)


@pytest.mark.parametrize(
    ("path", "sort"),
    [(USERS, sort) for sort in UserSort]
    + [(ROLES, sort) for sort in RoleSort]
    + [(PERMISSIONS, sort) for sort in PermissionSort]
    + [(ACCOUNTS, sort) for sort in ServiceAccountSort],
)
async def test_pages_hold_each_item_once_and_in_order_when_others_are_added_meanwhile(
    admin: Caller, path: str, sort: str
) -> None:
    tag = unique("busy")
    made = [await make(admin, path, tag) for _ in range(4)]
    walked: Items = []
    cursor: dict[str, str] = {}
    for _ in made:
        page = await fetch(admin, path, q=tag, sort=sort, limit=2, **cursor)
        walked += page["items"]
        await make(admin, path, tag)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    found = [item["id"] for item in walked]
    assert len(set(found)) == len(found)
    assert set(found) >= set(made)
    name = sort.removesuffix("_desc")
    keys = [(item[name], item["id"]) for item in walked]
    assert keys == sorted(keys, reverse=sort.endswith("_desc"))


async def test_audit_events_are_walked_once_each_when_more_happen_meanwhile(admin: Caller) -> None:
    user = await given.user(admin)
    for name in ("B", "C", "D"):
        await admin.patch(f"{USERS}/{user['id']}", {"display_name": name}, if_match="*")
    expected = await ids(admin, EVENTS, target_id=user["id"])
    assert len(expected) == 4
    walked: list[str] = []
    cursor: dict[str, str] = {}
    for name in ("E", "F", "G", "H"):
        page = await fetch(admin, EVENTS, target_id=user["id"], limit=1, **cursor)
        walked += [item["id"] for item in page["items"]]
        await admin.patch(f"{USERS}/{user['id']}", {"display_name": name}, if_match="*")
        cursor = {"cursor": page["next_cursor"]}
    assert walked == expected


@pytest.mark.parametrize("path", LISTS)
async def test_total_is_counted_only_when_it_is_asked_for(admin: Caller, path: str) -> None:
    if path == ACCOUNTS:
        await account(admin)
    assert (await fetch(admin, path, limit=1))["total"] is None
    counted = await fetch(admin, path, limit=1, include_total=True)
    assert counted["total"] >= len(counted["items"]) == 1


async def test_total_below_one_item_is_counted_only_when_it_is_asked_for(admin: Caller) -> None:
    permission = await given.permission(admin)
    role, user = await given.role(admin, permission["name"]), await given.user(admin)
    await given.assignment(admin, user["id"], role["id"])
    robot = await machine(admin)
    of_one = {"permission_id": permission["id"], "role_id": role["id"], "service_account_id": robot.id}
    paths = [path for path in COUNTED if path not in LISTS]
    assert len(paths) >= 4
    for path in paths:
        assert (await fetch(admin, path.format(**of_one)))["total"] is None, path
        assert (await fetch(admin, path.format(**of_one), include_total=True))["total"] >= 1, path


async def test_total_counts_what_the_filters_leave(admin: Caller) -> None:
    tag = unique("total")
    for _ in range(3):
        await make(admin, USERS, tag)
    first = await fetch(admin, USERS, q=tag, limit=2, include_total=True)
    second = await fetch(admin, USERS, q=tag, limit=2, include_total=True, cursor=first["next_cursor"])
    assert (first["total"], second["total"], len(second["items"])) == (3, 3, 1)


@pytest.mark.parametrize("path", LISTS)
async def test_list_has_twenty_items_when_no_limit_is_given(admin: Caller, path: str) -> None:
    for _ in range(21 - len((await fetch(admin, path, limit=21))["items"])):
        await make(admin, path, "filler")
    assert len((await fetch(admin, path))["items"]) == 20


async def genuine_cursor(admin: Caller, path: str, **parameters: Any) -> str:
    tag = unique("cursor")
    for _ in range(2):
        await make(admin, path, tag)
    return str((await fetch(admin, path, q=tag, limit=1, **parameters))["next_cursor"])


@pytest.mark.parametrize("path", LISTS)
async def test_cursor_is_refused_when_it_was_made_up(admin: Caller, path: str) -> None:
    payload = base64.urlsafe_b64encode(b'["users/created_at",["2026-01-01T00:00:00Z","x"]]').decode().rstrip("=")
    for cursor in ("A", "AAAA", "null", "-", "_" * 1024, payload, base64.urlsafe_b64encode(bytes(16)).decode()[:20]):
        response = await admin.get(path, params={"cursor": cursor})
        assert faults_of(response) == {"query/cursor": ["bad_cursor"]}, cursor


async def test_cursor_is_refused_when_a_character_was_changed(admin: Caller) -> None:
    cursor = await genuine_cursor(admin, USERS)
    for place in (0, len(cursor) // 2, len(cursor) - 2):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        response = await admin.get(USERS, params={"cursor": changed})
        assert faults_of(response) == {"query/cursor": ["bad_cursor"]}
    for cut in (cursor[:-4], cursor + "AAAA"):
        assert faults_of(await admin.get(USERS, params={"cursor": cut})) == {"query/cursor": ["bad_cursor"]}


async def test_cursor_is_refused_when_another_list_or_order_gave_it_out(admin: Caller) -> None:
    cursor = await genuine_cursor(admin, USERS, sort="email")
    for path, sort in ((ROLES, "name"), (PERMISSIONS, "name"), (USERS, "email_desc"), (USERS, "created_at")):
        response = await admin.get(path, params={"cursor": cursor, "sort": sort})
        assert faults_of(response) == {"query/cursor": ["bad_cursor"]}
    assert (await admin.get(USERS, params={"cursor": cursor, "sort": "email"})).status_code == 200


async def test_cursor_of_a_role_is_refused_when_another_role_is_asked(admin: Caller) -> None:
    first, second = await given.role(admin), await given.role(admin)
    for _ in range(2):
        await given.assignment(admin, (await given.user(admin))["id"], first["id"])
    cursor = (await fetch(admin, f"{ROLES}/{first['id']}/users", limit=1))["next_cursor"]
    response = await admin.get(f"{ROLES}/{second['id']}/users", params={"cursor": cursor})
    assert faults_of(response) == {"query/cursor": ["bad_cursor"]}


@pytest.mark.parametrize("wildcards", ["%", "_", "\\"])
async def test_search_takes_wildcards_literally(admin: Caller, wildcards: str) -> None:
    tag = unique("like")
    plain = await make(admin, USERS, f"{tag}xx")
    special = await make(admin, USERS, f"{tag}{wildcards}x")
    assert await ids(admin, USERS, q=f"{tag}{wildcards}") == [special]
    assert sorted(await ids(admin, USERS, q=tag)) == sorted([plain, special])


async def test_search_ignores_letter_case(admin: Caller) -> None:
    tag = unique("Case")
    made = await make(admin, USERS, tag)
    assert await ids(admin, USERS, q=tag.upper()) == [made]


async def test_users_are_found_by_each_filter(admin: Caller) -> None:
    user = await given.user(admin)
    role = await given.role(admin)
    await given.assignment(admin, user["id"], role["id"], scope="site:blog")
    created_at = user["created_at"]
    for found_by in (
        {"email": user["email"].upper()},
        {"external_id": user["external_id"]},
        {"role": role["name"]},
        {"q": user["email"].partition("@")[0]},
        {"email": user["email"], "is_active": True, "is_deleted": False, "role": role["name"]},
    ):
        assert await ids(admin, USERS, **found_by) == [user["id"]], found_by
    for missed_by in (
        {"is_active": False},
        {"is_deleted": True},
        {"role": "administrator"},
        {"created_after": created_at},
        {"created_before": created_at},
    ):
        assert await ids(admin, USERS, email=user["email"], **missed_by) == [], missed_by


async def test_deleted_users_are_listed_only_when_they_are_asked_for(admin: Caller) -> None:
    user = await given.user(admin)
    await admin.delete(f"{USERS}/{user['id']}", if_match="*")
    assert await ids(admin, USERS, email=user["email"]) == []
    assert await ids(admin, USERS, email=user["email"], is_deleted=True) == [user["id"]]


async def test_users_are_not_found_by_a_role_when_its_time_has_not_come_or_is_over(admin: Caller) -> None:
    role = await given.role(admin)
    for terms in ({"not_before": "2999-01-01T00:00:00Z"}, {"expires_at": "2001-01-01T00:00:00Z"}):
        await given.assignment(admin, (await given.user(admin))["id"], role["id"], **terms)
    assert await items(admin, USERS, role=role["name"]) == []
    assert await items(admin, f"{ROLES}/{role['id']}/users") == []


async def test_deleted_role_is_in_no_list_when_another_has_its_name(admin: Caller) -> None:
    permission, users = await given.permission(admin), [await given.user(admin) for _ in range(2)]
    deleted = await given.role(admin, permission["name"])
    await given.assignment(admin, users[0]["id"], deleted["id"])
    assert (await admin.delete(f"{ROLES}/{deleted['id']}", if_match="*")).status_code == 204
    heir = await given.role(admin, permission["name"], name=deleted["name"])
    await given.assignment(admin, users[1]["id"], heir["id"])

    assert await ids(admin, USERS, role=heir["name"]) == [users[1]["id"]]
    assert await ids(admin, ROLES, q=heir["name"]) == [heir["id"]]
    assert await ids(admin, ROLES, permission=permission["name"]) == [heir["id"]]
    assert await ids(admin, f"{PERMISSIONS}/{permission['id']}/roles") == [heir["id"]]
    holders = (await fetch(admin, f"{PERMISSIONS}/{permission['id']}/holders"))["items"]
    # Other tests may have made others who hold everything.
    assert {holder["subject"]["id"] for holder in holders} & {user["id"] for user in users} == {users[1]["id"]}


async def test_roles_are_found_by_each_filter(admin: Caller) -> None:
    permission = await given.permission(admin)
    role = await given.role(admin, permission["name"])
    assert await ids(admin, ROLES, permission=permission["name"]) == [role["id"]]
    assert await ids(admin, ROLES, q=role["name"], is_system=False) == [role["id"]]
    assert await ids(admin, ROLES, q=role["name"], is_system=True) == []
    assert {item["name"] for item in await items(admin, ROLES, is_system=True)} == {"administrator", "member"}


async def test_permissions_are_found_by_each_filter(admin: Caller) -> None:
    permission = await given.permission(admin)
    assert await ids(admin, PERMISSIONS, q=permission["name"]) == [permission["id"]]
    assert await ids(admin, PERMISSIONS, q=permission["name"], is_system=True) == []
    assert {item["is_system"] for item in await items(admin, PERMISSIONS, is_system=True)} == {True}


async def test_users_of_a_role_and_roles_of_a_permission_are_walked_once_each(admin: Caller) -> None:
    permission = await given.permission(admin)
    roles = [await given.role(admin, permission["name"]) for _ in range(3)]
    users = [await given.user(admin) for _ in range(3)]
    for user in users:
        await given.assignment(admin, user["id"], roles[0]["id"])
        await given.assignment(admin, user["id"], roles[0]["id"], scope="site:blog")
    for path, expected in (
        (f"{PERMISSIONS}/{permission['id']}/roles", {role["id"] for role in roles}),
        (f"{ROLES}/{roles[0]['id']}/users", {user["id"] for user in users}),
    ):
        first = await fetch(admin, path, limit=2, include_total=True)
        second = await fetch(admin, path, limit=2, cursor=first["next_cursor"])
        walked = [item["id"] for item in first["items"] + second["items"]]
        assert (len(walked), set(walked), first["total"], second["next_cursor"]) == (3, expected, 3, None)
