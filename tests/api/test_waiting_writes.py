"""A write that waits for a lock changes nothing once its caller may not act any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.credentials import session_id_of
from tests.api.operations import WRITING
from tests.api.problems import code_of
from tests.api.test_audit_events import rows_of
from tests.api.writes import USERS, WRITES, Write, operation_id_of
from tests.eventually import eventually
from tests.factories import RoleCreateFactory, unique
from tests.fixtures import Caller, Database, Register

End: TypeAlias = Callable[[asyncpg.Connection, Caller], Awaitable[object]]


async def end_session(db: asyncpg.Connection, caller: Caller) -> None:
    session_id = UUID(session_id_of(caller.access_token))
    await db.execute("UPDATE refresh_tokens SET revoked_at = now() WHERE id = $1", session_id)


async def deactivate(db: asyncpg.Connection, caller: Caller) -> None:
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", UUID(caller.id))


async def withdraw_roles(db: asyncpg.Connection, caller: Caller) -> None:
    await db.execute("DELETE FROM user_roles WHERE user_id = $1", UUID(caller.id))


AUDIT_TRAIL = "LOCK TABLE audit_events IN EXCLUSIVE MODE"
"""Every write records an event, and so waits for this before its transaction ends."""
WAITING = "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@asynccontextmanager
async def held_up(
    database: Database, db: asyncpg.Connection, lock: str, sending: Awaitable[httpx.Response]
) -> AsyncIterator[asyncio.Future[httpx.Response]]:
    """The answer to a request that waits for the lock until the block ends."""
    holder = await database.connect()
    try:
        await holder.execute(f"BEGIN; {lock}")
        answer = asyncio.ensure_future(sending)
        await eventually(lambda: db.fetchval(WAITING))
        yield answer
    finally:
        await holder.close()


async def is_refused(caller: Caller, path: str) -> bool:
    """Whether the worker has been told: from then on, whoever ended it could have been answered."""
    return (await caller.get(path)).status_code in {401, 403}


async def outcome_of(
    write: Write, lock: str, end: End, look: str, database: Database, db: asyncpg.Connection
) -> tuple[httpx.Response, list[str]]:
    """The answer to a write whose caller comes to an end while it waits, and what it left on record."""
    request_id = unique("request")
    async with held_up(database, db, lock, write.send(request_id)) as answer:
        await end(db, write.caller)
        await eventually(lambda: is_refused(write.caller, look))
    return await answer, [row["action"] for row in await rows_of(db, request_id)]


END_OWN_SESSION = {"logout", "endAllMySessions", "reauthenticate"}
"""They lock the row of their own session, so that nobody else can end it before they have ended."""
WITHOUT_SESSION = {"login", "register", "refreshTokens", "issueToken", "revokeToken"}
READING = {operation.id for operation in WRITING if operation.path.startswith("/api/v1/access/")} | {"introspectToken"}
BY_SESSION = [name for name in WRITES if operation_id_of(name) not in END_OWN_SESSION | WITHOUT_SESSION | READING]


@pytest.mark.parametrize("name", BY_SESSION)
async def test_nothing_is_written_when_the_session_ends_meanwhile(
    name: str, admin: Caller, register: Register, database: Database, db: asyncpg.Connection
) -> None:
    chief = await given.caller(admin, register, "*:*")
    write = await WRITES[name](chief, register)
    assert not write.is_anonymous

    answer, recorded = await outcome_of(write, AUDIT_TRAIL, end_session, f"{USERS}/me", database, db)

    assert code_of(answer, 401) == "token_invalid"
    assert recorded == []


@pytest.mark.parametrize(
    ("end", "status", "code", "on_record"),
    [
        (deactivate, 401, "token_invalid", []),
        (withdraw_roles, 403, "permission_denied", ["access.refused"]),
    ],
)
@pytest.mark.parametrize("name", ["updateUser", "deleteUser"])
async def test_nothing_is_written_when_the_account_or_its_role_ends_meanwhile(
    name: str,
    end: End,
    status: int,
    code: str,
    on_record: list[str],
    admin: Caller,
    register: Register,
    database: Database,
    db: asyncpg.Connection,
) -> None:
    chief = await given.caller(admin, register, "*:*")
    write = await WRITES[name](chief, register)
    user_id = UUID(write.path.rpartition("/")[2])
    lock = f"SELECT 1 FROM users WHERE id = '{user_id}' FOR UPDATE"  # noqa: S608 - a UUID

    answer, recorded = await outcome_of(write, lock, end, f"{USERS}?limit=1", database, db)

    assert code_of(answer, status) == code
    assert recorded == on_record


async def role_created(actor: Caller, permission_id: str, _: str) -> tuple[Awaitable[httpx.Response], str]:
    body = msgspec.to_builtins(RoleCreateFactory.build(permission_ids=[permission_id]))
    columns = "(id, name, title, description)"
    lock = f"INSERT INTO roles {columns} VALUES (gen_random_uuid(), '{body['name']}', '', '')"  # noqa: S608 - our own
    return actor.post("/api/v1/roles", body), lock


async def role_assigned(actor: Caller, _: str, role_id: str) -> tuple[Awaitable[httpx.Response], str]:
    lock = f"SELECT 1 FROM users WHERE id = '{actor.id}' FOR UPDATE"  # noqa: S608 - a UUID
    return actor.put(f"{USERS}/{actor.id}/roles/{role_id}", {"scope": "site:blog"}, if_match="*"), lock


async def permission_granted(actor: Caller, permission_id: str, role_id: str) -> tuple[Awaitable[httpx.Response], str]:
    lock = f"SELECT 1 FROM roles WHERE id = '{role_id}' FOR UPDATE"  # noqa: S608 - a UUID
    return actor.put(f"/api/v1/roles/{role_id}/permissions/{permission_id}", if_match="*"), lock


@pytest.mark.parametrize("grant", [role_created, role_assigned, permission_granted])
async def test_nothing_is_granted_that_the_actor_has_lost_meanwhile(
    grant: Callable[[Caller, str, str], Awaitable[tuple[Awaitable[httpx.Response], str]]],
    admin: Caller,
    register: Register,
    database: Database,
    db: asyncpg.Connection,
) -> None:
    """The permission to grant stays, so that the route is still open to the actor."""
    actor = await given.caller(admin, register, "roles:create", "roles:update", "users:assign_roles")
    giving, other = await given.role(admin, "users:read"), await given.role(admin)
    await given.assignment(admin, actor.id, giving["id"])
    (permission_id,) = await given.permission_ids(admin, ["users:read"])
    role_id = other["id"] if grant is permission_granted else giving["id"]
    request, lock = await grant(actor, permission_id, role_id)
    assert (await actor.get(f"{USERS}?limit=1")).is_success

    async with held_up(database, db, lock, request) as answer:
        await db.execute("DELETE FROM user_roles WHERE role_id = $1", UUID(giving["id"]))
        await eventually(lambda: is_refused(actor, f"{USERS}?limit=1"))

    assert code_of(await answer, 403) == "escalation_refused"
