"""A PostgreSQL for one run, durable like a real one, migrated and full of accounts."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import argon2
import asyncpg
import msgspec
from sqlalchemy.engine import make_url
from uuid_utils.compat import uuid7

from cms_service.core.database import EmbeddedPostgres, Position, driver_url, upgrade
from cms_service.core.security import ARGON2ID

PASSWORD = "benchmarks know this password"
SESSION_SECRET = bytes(32)

ASSIGN_MEMBER = """
INSERT INTO user_roles (id, user_id, role_id)
SELECT gen_random_uuid(), users.id, roles.id FROM users, roles WHERE roles.name = 'member'
"""
MAKE_EDITOR = """
WITH permission AS (
    INSERT INTO permissions (id, name, description) VALUES (gen_random_uuid(), 'articles:publish', '') RETURNING id
), editor AS (
    INSERT INTO roles (id, name, title, description) VALUES (gen_random_uuid(), 'editor', 'Editor', '') RETURNING id
), holds AS (
    INSERT INTO role_permissions (role_id, permission_id) SELECT editor.id, permission.id FROM editor, permission
)
INSERT INTO user_roles (id, user_id, role_id)
SELECT gen_random_uuid(), users.id, editor.id FROM users, editor WHERE users.email = $1 RETURNING user_id
"""
OPEN_SESSIONS = """
INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at)
SELECT gen_random_uuid(), id, $1, now() + interval '7 days', now() + interval '30 days'
FROM users ORDER BY id LIMIT 1000 RETURNING id
"""
BEFORE_LAST_PAGE = "SELECT created_at, id FROM users ORDER BY created_at DESC, id DESC OFFSET 20 LIMIT 1"


class Database(msgspec.Struct, frozen=True):
    """What the items of a run need to know about their data."""

    url: str
    user_count: int
    user_ids: list[UUID]
    """Oldest first."""
    an_editor_id: UUID
    """May publish articles."""
    session_ids: list[UUID]
    """Sessions of distinct accounts, whose refresh tokens were never used."""
    before_last_page: Position
    """The last account before the last 20, oldest first."""

    @property
    def a_user_id(self) -> UUID:
        return self.user_ids[0]


def email_of(number: int) -> str:
    return f"person-{number}@bench.example.org"


@contextmanager
def prepared_database(user_count: int) -> Iterator[Database]:
    """A server with `user_count` accounts, each a member, all with the same password. It is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cms-bench-") as directory:
        Path(directory).chmod(0o755)  # PostgreSQL does not run as root, and has to reach its data.
        with EmbeddedPostgres(Path(directory) / "postgres") as postgres:
            upgrade(postgres.url)
            yield asyncio.run(_fill(postgres.url, user_count))


def add_database(beside: str, name: str) -> str:
    """The address of a migrated database on the same server, without accounts."""
    asyncio.run(_create(beside, name))
    url = make_url(beside).set(database=name).render_as_string(hide_password=False)
    upgrade(url)
    return url


@asynccontextmanager
async def filling(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for data that was always there: no trigger runs, and nobody hears of it."""
    connection = await asyncpg.connect(driver_url(url))
    try:
        await connection.execute("SET session_replication_role = replica")
        yield connection
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def copy_users(connection: asyncpg.Connection, user_count: int) -> list[UUID]:
    """Their ids, oldest first. All have the same password."""
    password_hash = argon2.PasswordHasher.from_parameters(ARGON2ID).hash(PASSWORD)
    first_at = datetime.now(UTC) - timedelta(seconds=user_count)
    user_ids = [uuid7() for _ in range(user_count)]
    await connection.copy_records_to_table(
        "users",
        columns=["id", "email", "display_name", "password_hash", "created_at"],
        records=(
            (user_id, email_of(number), f"Person {number}", password_hash, first_at + timedelta(seconds=number))
            for number, user_id in enumerate(user_ids)
        ),
    )
    return user_ids


async def _create(beside: str, name: str) -> None:
    connection = await asyncpg.connect(driver_url(beside))
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()


async def _fill(url: str, user_count: int) -> Database:
    async with filling(url) as connection:
        user_ids = await copy_users(connection, user_count)
        await connection.execute(ASSIGN_MEMBER)
        an_editor_id = await connection.fetchval(MAKE_EDITOR, email_of(1))
        session_ids = [record["id"] for record in await connection.fetch(OPEN_SESSIONS, SESSION_SECRET)]
        [last] = await connection.fetch(BEFORE_LAST_PAGE)
    return Database(
        url=url,
        user_count=user_count,
        user_ids=user_ids,
        an_editor_id=an_editor_id,
        session_ids=session_ids,
        before_last_page=Position(last["created_at"].isoformat(), last["id"]),
    )
