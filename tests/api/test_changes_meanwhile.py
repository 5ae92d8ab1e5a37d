"""A write checks credentials and state again under its lock, since they may have changed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from cms_service.repositories.access import WITHDRAWALS_LOCK
from tests.api import given
from tests.api.credentials import actions_on, login
from tests.api.machines import ACCOUNTS, machine
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.fixtures import Caller, Register

USERS = "/api/v1/users"
NEW_PASSWORD = "seven grey owls on a wire"
LOCK_USER = "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE"
END_SESSIONS = "UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1"
WAITING_FOR_THIS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


@asynccontextmanager
async def held_up(
    db: asyncpg.Connection, lock: str, key: Any, request: Awaitable[httpx.Response]
) -> AsyncIterator[asyncio.Future[httpx.Response]]:
    """Send a request that waits for `lock`. It goes on after the block, and sees what `db` has changed."""
    async with db.transaction():
        await db.execute(lock, key)
        answer = asyncio.ensure_future(request)

        async def is_decided() -> bool:
            return answer.done() or bool(await db.fetchval(WAITING_FOR_THIS))

        await eventually(is_decided)
        assert not answer.done(), answer.result().text
        yield answer


Act = Callable[[Caller], Awaitable[httpx.Response]]


def update_user(ada: Caller) -> Awaitable[httpx.Response]:
    return ada.patch(f"{USERS}/{ada.id}", {"is_active": True}, if_match="*")


def activate_user(ada: Caller) -> Awaitable[httpx.Response]:
    return ada.post(f"{USERS}/{ada.id}/activate")


def restore_user(ada: Caller) -> Awaitable[httpx.Response]:
    return ada.post(f"{USERS}/{ada.id}/restore")


def update_service_account(robot: Caller) -> Awaitable[httpx.Response]:
    return robot.patch(f"{ACCOUNTS}/{robot.id}", {"is_active": True}, if_match="*")


@pytest.mark.parametrize(
    ("table", "end", "wake"),
    [
        ("users", "is_active = false", update_user),
        ("users", "is_active = false", activate_user),
        ("users", "deleted_at = now()", restore_user),
        ("service_accounts", "is_active = false", update_service_account),
    ],
    ids=["updateUser", "activateUser", "restoreUser", "updateServiceAccount"],
)
async def test_account_does_not_undo_its_own_end(
    admin: Caller, register: Register, db: asyncpg.Connection, table: str, end: str, wake: Act
) -> None:
    is_user = table == "users"
    one = await given.caller(admin, register, "*:*") if is_user else await machine(admin, "*:*")

    async with held_up(db, f"UPDATE {table} SET {end} WHERE id = $1", one.id, wake(one)) as answer:  # noqa: S608
        pass

    assert code_of(await answer, 401) == "authentication_required"
    ended = f"SELECT NOT is_active OR deleted_at IS NOT NULL FROM {table} WHERE id = $1"  # noqa: S608 - our names
    assert await db.fetchval(ended, one.id)


def reauthenticate(ada: Caller) -> Awaitable[httpx.Response]:
    return ada.post("/api/v1/auth/reauthenticate", {"password": ada.password})


def change_password(ada: Caller) -> Awaitable[httpx.Response]:
    body = {"current_password": ada.password, "new_password": NEW_PASSWORD}
    return ada.post(f"{USERS}/me/password", body)


@pytest.mark.parametrize("prove", [reauthenticate, change_password])
async def test_password_proves_nothing_when_the_session_ends_while_it_is_checked(
    register: Register, db: asyncpg.Connection, prove: Act
) -> None:
    ada = await register()

    async with held_up(db, LOCK_USER, ada.id, prove(ada)) as answer:
        await db.execute(END_SESSIONS, ada.id)

    assert code_of(await answer, 401) == "token_invalid"
    assert await actions_on(db, ada.id) == ["user.registered"]
    assert (await login(ada.http, ada.email, ada.password)).is_success


async def test_session_is_not_authenticated_when_it_ends_at_that_moment(
    register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()

    async with held_up(db, END_SESSIONS, ada.id, reauthenticate(ada)) as answer:
        pass

    assert code_of(await answer, 401) == "token_invalid"
    assert await actions_on(db, ada.id) == ["user.registered"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PUT of all"])
async def test_role_that_comes_to_give_everything_meanwhile_is_given_and_taken_on_the_second_try(
    admin: Caller, db: asyncpg.Connection, method: str
) -> None:
    user, role = await given.user(admin), await given.role(admin)
    await given.assignment(admin, user["id"], role["id"])
    path = f"{USERS}/{user['id']}/roles"

    def send() -> Awaitable[httpx.Response]:
        if method == "PUT of all":
            return admin.put(path, {"assignments": []}, if_match="*")
        return admin.request(method, f"{path}/{role['id']}")

    async with held_up(db, "SELECT pg_advisory_xact_lock($1)", WITHDRAWALS_LOCK, send()) as answer:
        await db.execute(
            "INSERT INTO role_permissions (role_id, permission_id) SELECT $1, id FROM permissions WHERE name = '*:*'",
            role["id"],
        )

    assert code_of(await answer, 503) == "service_unavailable"
    assert (await answer).headers["retry-after"] == "1"
    assert [item["role"]["id"] for item in (await admin.get(path)).json()["items"]] == [role["id"]]
    assert (await send()).is_success


async def test_roles_are_not_replaced_when_one_was_given_meanwhile(admin: Caller, db: asyncpg.Connection) -> None:
    user, role, other = await given.user(admin), await given.role(admin), await given.role(admin)
    path, body = f"{USERS}/{user['id']}/roles", {"assignments": [{"role_id": role["id"]}]}

    async with held_up(db, LOCK_USER, user["id"], admin.put(path, body, if_match="*")) as answer:
        await db.execute(
            "INSERT INTO user_roles (id, user_id, role_id) VALUES (gen_random_uuid(), $1, $2)", user["id"], other["id"]
        )

    assert code_of(await answer, 412) == "precondition_failed"
    assert [item["role"]["id"] for item in (await admin.get(path)).json()["items"]] == [other["id"]]
    assert (await admin.put(path, body, if_match="*")).is_success
