"""Somebody can always repair everything: the last one who lastingly holds `*:*` cannot be removed by any route."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import asyncpg
import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.problems import code_of
from tests.factories import PASSWORD, UserCreateFactory, unique
from tests.fixtures import Caller, Cluster, Database, running_service, service_environ, sign_in

FUTURE, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
ROUNDS = 4


class Powerful(msgspec.Struct, frozen=True):
    """A role that gives everything, and the users who have it."""

    role_id: str
    everything_id: str
    """The permission `*:*`."""


Route: TypeAlias = Callable[[Caller, str, Powerful], Awaitable[httpx.Response]]
"""Takes the power of the user with this id."""


async def delete(by: Caller, user_id: str, _: Powerful) -> httpx.Response:
    return await by.delete(f"/api/v1/users/{user_id}", if_match="*")


async def deactivate(by: Caller, user_id: str, _: Powerful) -> httpx.Response:
    return await by.post(f"/api/v1/users/{user_id}/deactivate")


async def deactivate_by_update(by: Caller, user_id: str, _: Powerful) -> httpx.Response:
    return await by.patch(f"/api/v1/users/{user_id}", {"is_active": False}, if_match="*")


async def withdraw_role(by: Caller, user_id: str, powerful: Powerful) -> httpx.Response:
    return await by.delete(f"/api/v1/users/{user_id}/roles/{powerful.role_id}")


async def replace_roles(by: Caller, user_id: str, _: Powerful) -> httpx.Response:
    return await by.put(f"/api/v1/users/{user_id}/roles", {"assignments": []}, if_match="*")


async def limit_to_a_scope(by: Caller, user_id: str, powerful: Powerful) -> httpx.Response:
    body = {"assignments": [{"role_id": powerful.role_id, "scope": "site:blog"}]}
    return await by.put(f"/api/v1/users/{user_id}/roles", body, if_match="*")


async def limit_in_time(by: Caller, user_id: str, powerful: Powerful) -> httpx.Response:
    return await by.put(f"/api/v1/users/{user_id}/roles/{powerful.role_id}", {"expires_at": FUTURE})


async def limit_in_time_by_replacing(by: Caller, user_id: str, powerful: Powerful) -> httpx.Response:
    body = {"assignments": [{"role_id": powerful.role_id, "expires_at": FUTURE}]}
    return await by.put(f"/api/v1/users/{user_id}/roles", body, if_match="*")


async def put_off(by: Caller, user_id: str, powerful: Powerful) -> httpx.Response:
    return await by.put(f"/api/v1/users/{user_id}/roles/{powerful.role_id}", {"not_before": FUTURE})


async def delete_role(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    return await by.delete(f"/api/v1/roles/{powerful.role_id}", if_match="*")


async def empty_role(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    return await by.put(f"/api/v1/roles/{powerful.role_id}/permissions", {"permission_ids": []}, if_match="*")


async def inherit_nothing(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    return await by.put(f"/api/v1/roles/{powerful.role_id}/parents", {"parent_ids": []}, if_match="*")


async def delete_parent(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    [parent] = (await by.get(f"/api/v1/roles/{powerful.role_id}/parents")).json()["items"]
    return await by.delete(f"/api/v1/roles/{parent['id']}", if_match="*")


async def empty_parent(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    [parent] = (await by.get(f"/api/v1/roles/{powerful.role_id}/parents")).json()["items"]
    return await by.put(f"/api/v1/roles/{parent['id']}/permissions", {"permission_ids": []}, if_match="*")


async def withdraw_permission(by: Caller, _: str, powerful: Powerful) -> httpx.Response:
    return await by.delete(f"/api/v1/roles/{powerful.role_id}/permissions/{powerful.everything_id}")


FROM_USER: list[Route] = [
    delete,
    deactivate,
    deactivate_by_update,
    withdraw_role,
    replace_roles,
    limit_to_a_scope,
    limit_in_time,
    limit_in_time_by_replacing,
    put_off,
]
FROM_ROLE: list[Route] = [delete_role, empty_role, withdraw_permission]
FROM_PARENT: list[Route] = [delete_role, inherit_nothing, delete_parent, empty_parent]


@pytest.fixture(scope="module")
async def lonely_database(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    """A database of its own for this module: nobody else makes administrators in it."""
    database = await cluster.create(template=template)
    yield database
    await cluster.drop(database)


@pytest.fixture(scope="module")
async def first(lonely_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    """The only administrator who counts, of a service of its own."""
    environ = service_environ(lonely_database)
    async with running_service(environ, tmp_path_factory.mktemp("lonely")) as service, service.client() as http:
        yield await sign_in(http, service.admin_email, service.admin_password)


@pytest.fixture(scope="module")
async def administrators(first: Caller) -> Powerful:
    """The role `administrator`. Others have it too, but none of them counts; one user has a lesser role."""
    role = (await first.get("/api/v1/roles", params={"q": "administrator"})).json()["items"][0]
    no_password = await given.user(first)
    await given.assignment(first, no_password["id"], role["id"])
    for terms in ({"scope": "site:blog"}, {"expires_at": FUTURE}, {"expires_at": PAST}, {"not_before": FUTURE}):
        await given.assignment(first, (await given.user(first, password=PASSWORD))["id"], role["id"], **terms)
    inactive = await given.user(first, password=PASSWORD, is_active=False)
    await given.assignment(first, inactive["id"], role["id"])
    lesser = await given.role(first, "users:*", "roles:update", f"{unique('articles')}:*")
    await given.assignment(first, (await given.user(first, password=PASSWORD))["id"], lesser["id"])
    deleted = await given.user(first, password=PASSWORD)
    await given.assignment(first, deleted["id"], role["id"])
    await first.delete(f"/api/v1/users/{deleted['id']}", if_match="*")
    return Powerful(role["id"], role["permissions"][0]["id"])


@pytest.fixture
async def owners(first: Caller, administrators: Powerful) -> AsyncIterator[Powerful]:
    """A role that is not the service's own, from which alone the only administrator has its power."""
    role = await given.role(first, "*:*")
    await given.assignment(first, first.id, role["id"])
    await withdraw_role(first, first.id, administrators)
    yield Powerful(role["id"], administrators.everything_id)
    await given.assignment(first, first.id, administrators.role_id)
    assert (await first.delete(f"/api/v1/roles/{role['id']}", if_match="*")).status_code == 204


@pytest.fixture
async def lonely_db(lonely_database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await lonely_database.connect()
    yield connection
    await connection.close()


async def is_powerful(caller: Caller) -> bool:
    response = await caller.get("/api/v1/users/me/permissions")
    held = response.json().get("items", [])
    return any(item["permission"]["name"] == "*:*" and item["scope"] is None for item in held)


@pytest.mark.parametrize("route", FROM_USER)
async def test_last_administrator_stays_when_the_power_comes_from_the_system_role(
    first: Caller, administrators: Powerful, route: Route
) -> None:
    assert code_of(await route(first, first.id, administrators), 409) == "last_administrator"
    assert await is_powerful(first)


@pytest.mark.parametrize("route", FROM_ROLE)
async def test_system_role_stays_whoever_has_it(first: Caller, administrators: Powerful, route: Route) -> None:
    assert code_of(await route(first, first.id, administrators), 409) == "system_protected"
    assert await is_powerful(first)


@pytest.mark.parametrize("route", FROM_USER + FROM_ROLE)
async def test_last_administrator_stays_when_the_power_comes_from_another_role(
    first: Caller, owners: Powerful, route: Route
) -> None:
    assert code_of(await route(first, first.id, owners), 409) == "last_administrator"
    assert await is_powerful(first)


@pytest.fixture
async def heirs(first: Caller, administrators: Powerful) -> AsyncIterator[Powerful]:
    """A role that inherits all its power, from which alone the only administrator has it."""
    parent = await given.role(first, "*:*")
    role = await given.role(first, parent_ids=[parent["id"]])
    await given.assignment(first, first.id, role["id"])
    await withdraw_role(first, first.id, administrators)
    yield Powerful(role["id"], administrators.everything_id)
    await given.assignment(first, first.id, administrators.role_id)
    for each in (role, parent):
        assert (await first.delete(f"/api/v1/roles/{each['id']}", if_match="*")).status_code == 204


@pytest.mark.parametrize("route", [*FROM_USER, *FROM_PARENT])
async def test_last_administrator_stays_when_the_power_is_inherited(
    first: Caller, heirs: Powerful, route: Route
) -> None:
    assert code_of(await route(first, first.id, heirs), 409) == "last_administrator"
    assert await is_powerful(first)


async def test_permission_for_everything_is_not_deleted(first: Caller, administrators: Powerful) -> None:
    response = await first.delete(f"/api/v1/permissions/{administrators.everything_id}", if_match="*")
    assert code_of(response, 409) == "system_protected"


async def test_refusal_is_on_record_when_the_last_administrator_would_go(
    first: Caller, administrators: Powerful, lonely_db: asyncpg.Connection
) -> None:
    response = await delete(first, first.id, administrators)
    row = await lonely_db.fetchrow("SELECT * FROM audit_events WHERE request_id = $1", response.headers["x-request-id"])
    assert row is not None
    assert (row["action"], str(row["actor_id"]), row["ip"]) == ("access.refused", first.id, "127.0.0.1")
    assert '"last_administrator"' in row["after"]


async def bring_back(by: Caller, user_id: str, powerful: Powerful) -> None:
    """The user is an administrator again, whatever has been taken."""
    await by.post(f"/api/v1/users/{user_id}/restore")
    await by.post(f"/api/v1/users/{user_id}/activate")
    await given.assignment(by, user_id, powerful.role_id)


@pytest.mark.parametrize("route", [delete, deactivate, withdraw_role, replace_roles, limit_in_time])
async def test_exactly_one_succeeds_when_two_administrators_remove_each_other_at_once(
    first: Caller, administrators: Powerful, route: Route
) -> None:
    body = msgspec.to_builtins(UserCreateFactory.build(password=PASSWORD))
    other_id = (await first.post("/api/v1/users", body)).json()["id"]
    await given.assignment(first, other_id, administrators.role_id)
    both = [first, await sign_in(first.http, body["email"], PASSWORD)]
    for _ in range(ROUNDS):
        answers = await asyncio.gather(
            *(route(by, whom.id, administrators) for by, whom in zip(both, reversed(both), strict=True))
        )
        assert sorted(answer.is_success for answer in answers) == [False, True], [each.text for each in answers]
        survivor, loser = both if answers[0].is_success else reversed(both)
        refused = next(answer for answer in answers if not answer.is_success)
        # It was the last by then, or had already lost its session or its power.
        assert code_of(refused, 409, 401, 403)
        assert await is_powerful(survivor)
        await bring_back(survivor, loser.id, administrators)
        both = [survivor, await sign_in(loser.http, loser.email, loser.password)]
    first.access_token = next(caller.access_token for caller in both if caller.id == first.id)
    assert (await delete(first, other_id, administrators)).status_code == 204
