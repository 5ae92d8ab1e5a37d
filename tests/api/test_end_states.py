"""A row that has ended stays as it is: no write changes it again, and its end is on record once."""

import asyncio
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.api.credentials import refresh, session_id_of
from tests.api.machines import REVOKE
from tests.api.operations import WRITING
from tests.api.test_audit_events import rows_of
from tests.api.writes import WRITES, Write, operation_id_of
from tests.factories import unique
from tests.fixtures import Caller, Register

Ended: TypeAlias = dict[tuple[str, str], dict[str, Any]]
"""Rows that have ended, by table and id."""

ENDS = {
    "users": "deleted_at",
    "roles": "deleted_at",
    "service_accounts": "deleted_at",
    "refresh_tokens": "revoked_at",
    "api_keys": "revoked_at",
}
"""The column of each table that says that the row has ended."""
TWINS = {
    "users": """
        INSERT INTO users (id, email, display_name, password_hash, deleted_at)
        SELECT gen_random_uuid(), email, display_name, password_hash, now() - interval '1 hour' FROM users
        WHERE deleted_at IS NULL AND email NOT IN (SELECT email FROM users WHERE deleted_at IS NOT NULL)
    """,
    "service_accounts": """
        INSERT INTO service_accounts (id, name, description, deleted_at)
        SELECT gen_random_uuid(), name, description, now() - interval '1 hour' FROM service_accounts
        WHERE deleted_at IS NULL AND name NOT IN (SELECT name FROM service_accounts WHERE deleted_at IS NOT NULL)
    """,
    "roles": """
        INSERT INTO roles (id, name, title, description, deleted_at)
        SELECT gen_random_uuid(), name, title, description, now() - interval '1 hour' FROM roles
        WHERE deleted_at IS NULL AND name NOT IN (SELECT name FROM roles WHERE deleted_at IS NOT NULL)
    """,
    "role_permissions": """
        INSERT INTO role_permissions (role_id, permission_id) SELECT twins.id, permission_id
        FROM roles JOIN role_permissions ON role_id = roles.id
        JOIN roles twins ON twins.name = roles.name AND twins.deleted_at IS NOT NULL
        WHERE roles.deleted_at IS NULL ON CONFLICT DO NOTHING
    """,
    "role_inheritance": """
        INSERT INTO role_inheritance (role_id, parent_id) SELECT twins.id, roles.id
        FROM roles JOIN roles twins ON twins.name = roles.name AND twins.deleted_at IS NOT NULL
        WHERE roles.deleted_at IS NULL ON CONFLICT DO NOTHING
    """,
    "refresh_tokens": """
        INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at, revoked_at, revoked_reason)
        SELECT gen_random_uuid(), id, '\\x00', now() + interval '1 day', now() + interval '1 day',
            now() - interval '1 hour', 'ended before'
        FROM users WHERE id NOT IN (SELECT user_id FROM refresh_tokens WHERE revoked_at IS NOT NULL)
    """,
    "api_keys": """
        INSERT INTO api_keys (id, service_account_id, name, digest, expires_at, revoked_at)
        SELECT gen_random_uuid(), id, 'ended before', uuid_send(gen_random_uuid()), now() + interval '1 day',
            now() - interval '1 hour'
        FROM service_accounts WHERE id NOT IN (SELECT service_account_id FROM api_keys WHERE revoked_at IS NOT NULL)
    """,
}
"""Statements that add an ended row for every live one. The two are as alike as the database allows. Order matters."""
REPEATABLE = {"activateUser", "deactivateUser", "restoreUser", "logout", "revokeToken"}
"""Operations that are POST, and change nothing when they are repeated."""
RECORDED_AGAIN = {"liftUserThrottle"}
"""Each lift of a throttle is on record, since somebody may have failed in between."""
IDEMPOTENT = {operation.id for operation in WRITING if operation.method != "POST"} | REPEATABLE


async def ended_rows(db: asyncpg.Connection) -> Ended:
    found: Ended = {}
    for table, column in ENDS.items():
        rows = await db.fetch(f"SELECT * FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - our names
        for row in rows:
            # The last use of a key is written down later, also after the key was revoked.
            kept = {name: value for name, value in row.items() if (table, name) != ("api_keys", "last_used_at")}
            found[table, str(row["id"])] = kept
    return found


async def send(write: Write) -> str:
    """Send the request. Return its id, by which its events are found."""
    request_id = unique("request")
    answer = await write.send(request_id)
    # A repeated request may find nothing: its target is deleted, or its own session has ended.
    assert answer.is_success or answer.status_code in {401, 404}, answer.text
    return request_id


async def actions_of(db: asyncpg.Connection, *request_ids: str) -> list[str]:
    return sorted([row["action"] for request_id in request_ids for row in await rows_of(db, request_id)])


async def test_every_table_whose_rows_end_is_among_those_shown_here(db: asyncpg.Connection) -> None:
    columns = await db.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name IN ('deleted_at', 'revoked_at', 'ended_at', 'used_at')"
    )
    assert {row["table_name"]: row["column_name"] for row in columns} == ENDS
    assert {operation.id for operation in WRITING} >= REPEATABLE | RECORDED_AGAIN


@pytest.mark.parametrize("name", WRITES)
async def test_row_that_has_ended_stays_as_it_is_when_something_is_written(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await WRITES[name](admin, register)
    for statement in TWINS.values():
        await db.execute(statement)
    before = await ended_rows(db)
    restored = {("users", str(event.target_id)) for event in write.events if event.action == "user.restored"}

    request_id = await send(write)

    assert await actions_of(db, request_id) == sorted(event.action for event in write.events)
    after = await ended_rows(db)
    assert {key: row for key, row in before.items() if after.get(key) != row}.keys() == restored


@pytest.mark.parametrize("name", [name for name in WRITES if operation_id_of(name) in IDEMPOTENT - RECORDED_AGAIN])
async def test_write_is_on_record_once_when_it_is_repeated(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await WRITES[name](admin, register)

    together = await asyncio.gather(send(write), send(write))
    ended = await ended_rows(db)
    again = await send(write)

    assert await actions_of(db, *together) == sorted(event.action for event in write.events)
    assert await actions_of(db, again) == []
    assert await ended_rows(db) == ended


@pytest.mark.parametrize("column", ["revoked_at", "idle_expires_at", "expires_at"])
async def test_session_that_has_ended_stays_as_it_is_when_its_tokens_are_used(
    register: Register, db: asyncpg.Connection, column: str
) -> None:
    user = await register()
    live_token = (await refresh(user.http, user.refresh_token)).json()["refresh_token"]
    session_id = session_id_of(user.access_token)
    await db.execute(f"UPDATE refresh_tokens SET {column} = now() WHERE id = $1", session_id)  # noqa: S608 - our names
    before = await db.fetchrow("SELECT * FROM refresh_tokens WHERE id = $1", session_id)

    tokens = [user.refresh_token, live_token]
    writes = [Write(user, "POST", "/api/v1/auth/reauthenticate", [], {"password": user.password})]
    for token in tokens:
        body = {"refresh_token": token}
        writes += [Write(user, "POST", f"/api/v1/auth/{way}", [], body) for way in ("refresh", "logout")]
    for token in (*tokens, user.access_token):
        writes.append(Write(user, "POST", REVOKE, [], form={"token": token}, is_anonymous=True))
    request_ids = [await send(write) for write in writes]

    assert await actions_of(db, *request_ids) == []
    assert await db.fetchrow("SELECT * FROM refresh_tokens WHERE id = $1", session_id) == before
