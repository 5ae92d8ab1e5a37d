"""A PostgreSQL for one run, durable like a real one, migrated and full of accounts."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import argon2
import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from cms_service.core.database import EmbeddedPostgres, Position, upgrade
from cms_service.core.security import ARGON2ID

PASSWORD = "benchmarks know this password"
SESSION_SECRET = bytes(32)

ASSIGN_MEMBER = """
INSERT INTO user_roles (id, user_id, role_id)
SELECT gen_random_uuid(), users.id, roles.id FROM users, roles WHERE roles.name = 'member'
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
    a_user_id: UUID
    session_ids: list[UUID]
    """Sessions of distinct accounts, whose refresh tokens were never used."""
    before_last_page: Position
    """The last account before the last 20, oldest first."""


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


def driver_url(url: str) -> str:
    """The address as asyncpg wants it."""
    return url.replace("postgresql+asyncpg:", "postgresql:")


async def _fill(url: str, user_count: int) -> Database:
    password_hash = argon2.PasswordHasher.from_parameters(ARGON2ID).hash(PASSWORD)
    first_at = datetime.now(UTC) - timedelta(seconds=user_count)
    connection = await asyncpg.connect(driver_url(url))
    try:
        a_user_id = uuid7()
        await connection.copy_records_to_table(
            "users",
            columns=["id", "email", "display_name", "password_hash", "created_at"],
            records=(
                (
                    uuid7() if number else a_user_id,
                    email_of(number),
                    f"Person {number}",
                    password_hash,
                    first_at + timedelta(seconds=number),
                )
                for number in range(user_count)
            ),
        )
        await connection.execute(ASSIGN_MEMBER)
        session_ids = [record["id"] for record in await connection.fetch(OPEN_SESSIONS, SESSION_SECRET)]
        await connection.execute("VACUUM ANALYZE")
        [last] = await connection.fetch(BEFORE_LAST_PAGE)
    finally:
        await connection.close()
    return Database(url, user_count, a_user_id, session_ids, Position(last["created_at"].isoformat(), last["id"]))
