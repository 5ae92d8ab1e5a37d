"""Accounts, as administrators look after them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.problems import code_of, faults_of
from tests.factories import PASSWORD, UserCreateFactory, unique, unique_email
from tests.fixtures import Caller, Register, sign_in

USERS = "/api/v1/users"


def body_of(**members: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(UserCreateFactory.build(**members)))


async def login_status(client: httpx.AsyncClient, email: str, password: str) -> int:
    return (await client.post("/api/v1/auth/login", json={"email": email, "password": password})).status_code


async def is_dead(caller: Caller) -> bool:
    """Whether neither token of the caller's session is good for anything."""
    access = await caller.get("/api/v1/users/me")
    refresh = await caller.http.post("/api/v1/auth/refresh", json={"refresh_token": caller.refresh_token})
    return (access.status_code, refresh.status_code) == (401, 401)


async def test_user_is_created_as_asked(admin: Caller) -> None:
    body = body_of()
    response = await admin.post(USERS, body)
    user = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{USERS}/{user['id']}"
    assert (
        user.items()
        >= {
            "email": body["email"],
            "display_name": body["display_name"],
            "external_id": body["external_id"],
            "is_active": True,
            "email_verified_at": None,
            "version": 1,
            "roles": [],
        }.items()
    )
    read = await admin.get(f"{USERS}/{user['id']}")
    assert read.json() == user
    assert read.headers["etag"] == response.headers["etag"]


async def test_user_signs_in_only_when_there_is_a_password(admin: Caller, client: httpx.AsyncClient) -> None:
    with_password = await given.user(admin, password=PASSWORD)
    without = await given.user(admin)
    assert await login_status(client, with_password["email"], PASSWORD) == 200
    assert await login_status(client, without["email"], PASSWORD) == 401


async def test_user_cannot_sign_in_when_created_inactive(admin: Caller, client: httpx.AsyncClient) -> None:
    user = await given.user(admin, password=PASSWORD, is_active=False)
    assert await login_status(client, user["email"], PASSWORD) == 401


async def test_email_is_stored_in_one_form_whatever_its_letter_case(admin: Caller) -> None:
    email = unique_email()
    user = await given.user(admin, email=email.upper())
    assert user["email"] == email


@pytest.mark.parametrize(("member", "code"), [("email", "email_taken"), ("external_id", "external_id_taken")])
async def test_user_is_refused_when_somebody_has_the_same(admin: Caller, member: str, code: str) -> None:
    first, second = await given.user(admin), await given.user(admin)
    taken = first[member].upper() if member == "email" else first[member]
    assert code_of(await admin.post(USERS, body_of(**{member: taken})), 409) == code
    change = await admin.patch(f"{USERS}/{second['id']}", {member: taken}, if_match="*")
    assert code_of(change, 409) == code
    assert (await admin.get(f"{USERS}/{second['id']}")).json() == second


async def test_one_account_is_created_when_many_ask_for_the_same_address_at_once(
    admin: Caller, db: asyncpg.Connection
) -> None:
    email = unique_email()
    answers = await asyncio.gather(*(admin.post(USERS, body_of(email=email)) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await db.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 1


@pytest.mark.parametrize(
    ("members", "pointer", "code"),
    [
        ({"email": "ada"}, "/email", "not_an_email"),
        ({"email": "ada@@example.org"}, "/email", "not_an_email"),
        ({"email": "\uff41da@example.org"}, "/email", "ambiguous_characters"),
        ({"password": "kq7#Vx"}, "/password", "too_short"),
        ({"password": "x" * 129}, "/password", "too_long"),
        ({"display_name": ""}, "/display_name", "too_short"),
        ({"external_id": ""}, "/external_id", "too_short"),
    ],
)
async def test_user_is_refused_when_a_member_is_unacceptable(
    admin: Caller, members: dict[str, str], pointer: str, code: str
) -> None:
    assert faults_of(await admin.post(USERS, body_of() | members)) == {pointer: [code]}


async def test_user_keeps_what_an_update_does_not_name(admin: Caller) -> None:
    user = await given.user(admin)
    changed = (await admin.patch(f"{USERS}/{user['id']}", {"display_name": "Countess"}, if_match="*")).json()
    assert changed == user | {"display_name": "Countess", "version": 2, "updated_at": changed["updated_at"]}
    emptied = (await admin.patch(f"{USERS}/{user['id']}", {"external_id": None}, if_match="*")).json()
    assert emptied["external_id"] is None


async def test_address_is_no_longer_verified_when_it_is_changed(admin: Caller, db: asyncpg.Connection) -> None:
    user = await given.user(admin)
    await db.execute("UPDATE users SET email_verified_at = $1 WHERE id = $2", datetime.now(UTC), user["id"])
    path = f"{USERS}/{user['id']}"
    same = (await admin.patch(path, {"email": user["email"].upper()}, if_match="*")).json()
    assert same["email_verified_at"] is not None
    other = (await admin.patch(path, {"email": unique_email()}, if_match="*")).json()
    assert other["email_verified_at"] is None


@pytest.mark.parametrize("by_update", [False, True])
async def test_every_credential_is_dead_at_once_when_the_user_is_deactivated(
    admin: Caller, register: Register, client: httpx.AsyncClient, by_update: bool
) -> None:
    user = await register()
    path = f"{USERS}/{user.id}"
    if by_update:
        response = await admin.patch(path, {"is_active": False}, if_match="*")
    else:
        response = await admin.post(f"{path}/deactivate")
    assert (response.status_code, response.json()["is_active"]) == (200, False)
    assert await is_dead(user)
    assert await login_status(client, user.email, user.password) == 401
    assert (await admin.post(f"{path}/activate")).json()["is_active"] is True
    assert await is_dead(user)
    assert await login_status(client, user.email, user.password) == 200


async def test_every_credential_is_dead_at_once_when_the_user_is_deleted(
    admin: Caller, register: Register, client: httpx.AsyncClient
) -> None:
    user = await register()
    assert (await admin.delete(f"{USERS}/{user.id}", if_match="*")).status_code == 204
    assert await is_dead(user)
    assert await login_status(client, user.email, user.password) == 401
    for path in ("", "/roles", "/permissions", "/sessions"):
        assert code_of(await admin.get(f"{USERS}/{user.id}{path}"), 404) == "not_found"
    assert code_of(await admin.delete(f"{USERS}/{user.id}", if_match="*"), 404) == "not_found"


async def test_user_is_restored_with_roles_and_password_but_without_sessions(
    admin: Caller, register: Register, client: httpx.AsyncClient
) -> None:
    user = await register()
    role = await given.role(admin, "roles:read")
    await given.assignment(admin, user.id, role["id"])
    before = (await admin.get(f"{USERS}/{user.id}")).json()
    await admin.delete(f"{USERS}/{user.id}", if_match="*")
    restored = await admin.post(f"{USERS}/{user.id}/restore")
    assert restored.status_code == 200
    assert restored.json()["roles"] == before["roles"]
    assert await is_dead(user)
    back = await sign_in(client, user.email, user.password)
    assert back.id == user.id
    assert (await back.get("/api/v1/roles")).status_code == 200
    again = await admin.post(f"{USERS}/{user.id}/restore")
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, restored.json(), restored.headers["ETag"])
    history = await admin.get("/api/v1/audit-events", params={"target_id": user.id, "action": "user.restored"})
    assert len(history.json()["items"]) == 1


@pytest.mark.parametrize(("member", "code"), [("email", "email_taken"), ("external_id", "external_id_taken")])
async def test_user_is_not_restored_when_somebody_has_the_same_by_now(admin: Caller, member: str, code: str) -> None:
    user = await given.user(admin)
    await admin.delete(f"{USERS}/{user['id']}", if_match="*")
    heir = await given.user(admin, **{member: user[member]})
    assert heir["id"] != user["id"]
    assert code_of(await admin.post(f"{USERS}/{user['id']}/restore"), 409) == code


async def test_user_keeps_its_sessions_when_something_else_is_changed(admin: Caller, register: Register) -> None:
    user = await register()
    await admin.patch(f"{USERS}/{user.id}", {"display_name": unique("Ada")}, if_match="*")
    assert (await user.get("/api/v1/users/me")).status_code == 200


async def test_account_is_found_when_its_address_is_spelt_in_another_way(admin: Caller) -> None:
    local = unique("ada")
    created = await given.user(admin, email=f"{local}@b\u00fccher.example")
    found = await admin.get("/api/v1/users", params={"email": f"{local.upper()}@XN--BCHER-KVA.example"})
    assert [user["id"] for user in found.json()["items"]] == [created["id"]]


async def test_list_is_empty_when_nobody_has_a_role_of_that_name(admin: Caller) -> None:
    response = await admin.get("/api/v1/users", params={"role": "no-such-role", "include_total": True})
    assert (response.json()["items"], response.json()["total"]) == ([], 0)
