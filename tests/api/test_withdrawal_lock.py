"""A write that may remove the last administrator waits for other withdrawals; ordinary ones run side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest

from cms_service.repositories.access import WITHDRAWALS_LOCK
from tests.api import given
from tests.api.writes import USERS, WRITES, Given, Write
from tests.eventually import eventually
from tests.factories import unique
from tests.fixtures import Caller, Register

HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
WAITING_FOR_THE_LOCK = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND {HERE}"  # noqa: S608
HOLDING_THE_LOCK = (
    "SELECT count(*) FROM pg_locks held JOIN pg_locks awaited USING (pid) "  # noqa: S608
    f"WHERE held.locktype = 'advisory' AND held.granted AND NOT awaited.granted AND held.{HERE}"
)
"""Transactions that hold the lock and wait for something else."""
EXCLUSIVE: dict[str, Given] = {
    name: WRITES[name]
    for name in (
        *("updateUser that deactivates", "deactivateUser", "deleteUser"),
        *("deleteRole", "replaceRolePermissions", "replaceRoleParents", "grantPermission", "withdrawPermission"),
        "deletePermission",
    )
}
"""Writes after which an administrator may be gone, or roles may give other permissions."""
SHARING = {name: prepare for name, prepare in WRITES.items() if name not in EXCLUSIVE}


def of_everything(method: str, *, has_role: bool, is_list: bool = False, is_inherited: bool = False) -> Given:
    """A write that gives or takes a role that gives everything."""

    async def prepare(admin: Caller, _: Register) -> Write:
        user, role = await given.user(admin), await given.role(admin, "*:*")
        if is_inherited:
            role = await given.role(admin, parent_ids=[role["id"]])
        if has_role:
            await given.assignment(admin, user["id"], role["id"])
        path = f"{USERS}/{user['id']}/roles"
        body: dict[str, Any] | None = {"assignments": []} if is_list else {} if method == "PUT" else None
        return Write(admin, method, path if is_list else f"{path}/{role['id']}", [], body)

    return prepare


EXCLUSIVE |= {
    "assignRole of everything": of_everything("PUT", has_role=False),
    "withdrawRole of everything": of_everything("DELETE", has_role=True),
    "withdrawRole of everything that is inherited": of_everything("DELETE", has_role=True, is_inherited=True),
    "replaceUserRoles of everything": of_everything("PUT", has_role=True, is_list=True),
}


@asynccontextmanager
async def held_lock(db: asyncpg.Connection) -> AsyncIterator[None]:
    """Hold the lock during the block as an ordinary withdrawal does."""
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock_shared($1)", WITHDRAWALS_LOCK)
        yield


@pytest.mark.parametrize("name", SHARING)
async def test_write_does_not_wait_when_an_ordinary_withdrawal_is_under_way(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await SHARING[name](admin, register)
    async with held_lock(db):
        answer = await write.send(unique("request"))
    assert answer.is_success, answer.text


@pytest.mark.parametrize("name", EXCLUSIVE)
async def test_write_waits_when_it_may_take_everything_and_a_withdrawal_is_under_way(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await EXCLUSIVE[name](admin, register)
    async with held_lock(db):
        answer = asyncio.create_task(write.send(unique("request")))

        async def is_decided() -> bool:
            return answer.done() or bool(await db.fetchval(WAITING_FOR_THE_LOCK))

        await eventually(is_decided)
        assert not answer.done()
    assert (await answer).is_success, (await answer).text


@asynccontextmanager
async def held_open(db: asyncpg.Connection, write: Write) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """Send the write, and keep its transaction open during the block: it holds the lock and waits for its user."""
    user_id = write.path.removeprefix(f"{USERS}/").partition("/")[0]
    async with db.transaction():
        await db.execute("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", user_id)
        answer = asyncio.create_task(write.send(unique("request")))
        await eventually(partial(db.fetchval, HOLDING_THE_LOCK))
        yield answer
        assert not answer.done()


@pytest.mark.parametrize("name", ["withdrawRole", "withdrawServiceAccountRole", "replaceUserRoles"])
async def test_two_withdrawals_overlap_when_neither_takes_everything(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    first, second = await WRITES["withdrawRole"](admin, register), await WRITES[name](admin, register)
    async with held_open(db, first) as answer:
        assert (await second.send(unique("request"))).is_success
    assert (await answer).status_code == 204
