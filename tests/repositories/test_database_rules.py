"""What PostgreSQL itself refuses, whoever asks."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from cms_service.core.database import UNIQUENESS
from tests.factories import unique, unique_email

SERIALISED = {
    "uq_api_keys_digest",
    "uq_service_account_roles_service_account_id_role_id_scope",
    "uq_user_roles_user_id_role_id_scope",
}
"""Unique indexes whose rows are written under a lock, or made of 256 random bits: no client meets them."""


@pytest.fixture
async def sql(db: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose work is undone after the test."""
    transaction = db.transaction()
    await transaction.start()
    yield db
    await transaction.rollback()


async def add_user(sql: asyncpg.Connection, **columns: Any) -> UUID:
    return await add(sql, "users", {"email": unique_email(), "display_name": "Ada"} | columns)


async def add_role(sql: asyncpg.Connection, **columns: Any) -> UUID:
    return await add(sql, "roles", {"name": unique("editor"), "title": "Editor", "description": ""} | columns)


async def add_permission(sql: asyncpg.Connection, **columns: Any) -> UUID:
    return await add(sql, "permissions", {"name": f"{unique('articles')}:publish", "description": ""} | columns)


async def add(sql: asyncpg.Connection, table: str, columns: dict[str, Any]) -> UUID:
    columns = {"id": uuid4()} | columns
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) RETURNING id"  # noqa: S608 - our names
    found: UUID = await sql.fetchval(statement, *columns.values())
    return found


async def mark_deleted(sql: asyncpg.Connection, table: str, row_id: UUID) -> None:
    await sql.execute(f"UPDATE {table} SET deleted_at = now() WHERE id = $1", row_id)  # noqa: S608 - our names


async def test_every_unique_index_that_a_client_can_meet_has_a_meaning(db: asyncpg.Connection) -> None:
    rows = await db.fetch(
        "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_namespace n ON n.oid = i.relnamespace "
        "WHERE n.nspname = 'public' AND x.indisunique AND NOT x.indisprimary AND NOT i.relispartition"
    )
    assert {row["relname"] for row in rows} == UNIQUENESS.keys() | SERIALISED


@pytest.mark.parametrize(
    ("table", "column"), [("users", "email"), ("users", "external_id"), ("roles", "name")], ids="-".join
)
async def test_live_value_is_unique_and_free_again_when_its_row_is_deleted(
    sql: asyncpg.Connection, table: str, column: str
) -> None:
    make = {"users": add_user, "roles": add_role}[table]
    value = unique("same")
    first = await make(sql, **{column: value})
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        async with sql.transaction():
            await make(sql, **{column: value})
    assert refused.value.constraint_name in UNIQUENESS
    await mark_deleted(sql, table, first)
    second = await make(sql, **{column: value})
    await mark_deleted(sql, table, second)
    await make(sql, **{column: value})
    with pytest.raises(asyncpg.UniqueViolationError):
        await sql.execute(f"UPDATE {table} SET deleted_at = NULL WHERE id = $1", first)  # noqa: S608 - our names


async def test_permission_name_is_unique(sql: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await add_permission(sql, name="users:read")
    assert refused.value.constraint_name in UNIQUENESS


async def test_many_users_live_without_an_external_id(sql: asyncpg.Connection) -> None:
    assert await add_user(sql) != await add_user(sql)


@pytest.mark.parametrize("make", [add_user, add_role, add_permission])
async def test_name_is_refused_when_it_has_capital_letters(sql: asyncpg.Connection, make: Any) -> None:
    column = "email" if make is add_user else "name"
    with pytest.raises(asyncpg.CheckViolationError):
        await make(sql, **{column: unique("Ada")})


@pytest.mark.parametrize("scope", [None, "site:blog"])
async def test_role_is_assigned_once_in_each_scope(sql: asyncpg.Connection, scope: str | None) -> None:
    assignment = {"user_id": await add_user(sql), "role_id": await add_role(sql)}
    await add(sql, "user_roles", assignment | {"scope": "site:news"})
    await add(sql, "user_roles", assignment | {"scope": scope})
    with pytest.raises(asyncpg.UniqueViolationError):
        await add(sql, "user_roles", assignment | {"scope": scope})


@pytest.mark.parametrize("width", ["0 seconds", "-1 second"])
async def test_window_of_an_assignment_is_not_empty(sql: asyncpg.Connection, width: str) -> None:
    assignment = await add(sql, "user_roles", {"user_id": await add_user(sql), "role_id": await add_role(sql)})
    with pytest.raises(asyncpg.CheckViolationError):
        await sql.execute(
            "UPDATE user_roles SET not_before = now(), expires_at = now() + $2::text::interval WHERE id = $1",
            assignment,
            width,
        )


@pytest.mark.parametrize("at", ["now()", "'1999-01-01'", "now() + interval '3 months'", "'2999-01-01'"])
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET action = 'x' WHERE id = $1", "DELETE FROM {} WHERE id = $1"], ids=["update", "delete"]
)
async def test_audit_event_is_neither_changed_nor_deleted(sql: asyncpg.Connection, change: str, at: str) -> None:
    event_id = uuid4()
    row = await sql.fetchrow(
        f"INSERT INTO audit_events (at, id, action) VALUES ({at}, $1, 'test') RETURNING tableoid::regclass::text",  # noqa: S608 - our names
        event_id,
    )
    assert row is not None
    for table in ("audit_events", row[0]):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with sql.transaction():
                await sql.execute(change.format(table), event_id)
    assert await sql.fetchval("SELECT action FROM audit_events WHERE id = $1", event_id) == "test"


async def test_audit_events_are_not_truncated_as_a_whole_or_by_month(sql: asyncpg.Connection) -> None:
    tables = [
        row["name"]
        for row in await sql.fetch(
            "SELECT relid::regclass::text AS name FROM pg_partition_tree('audit_events'::regclass)"
        )
    ]
    assert len(tables) > 12
    for table in tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with sql.transaction():
                await sql.execute(f"TRUNCATE {table} CASCADE")


async def test_audit_event_of_every_month_ahead_has_a_partition_of_its_own(sql: asyncpg.Connection) -> None:
    for months in range(13):
        table = await sql.fetchval(
            "INSERT INTO audit_events (at, id, action) VALUES (now() + make_interval(months => $1), $2, 'test') "
            "RETURNING tableoid::regclass::text",
            months,
            uuid4(),
        )
        assert table != "audit_events_default"
