"""Bringing a database to a revision: one process at a time, each migration whole or not at all."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cms_service.core.database.connecting import connect_to_primary
from cms_service.core.database.revisions import is_newer
from cms_service.core.exceptions import ConfigurationError

ADVISORY_LOCK_KEY = int.from_bytes(b"cms-migr")
LOCK_POLL_SECONDS = 0.25
LOCK_TIMEOUT_MILLISECONDS = 4000
"""A migration that waits for a table longer than this fails, rather than holding up every request behind it."""
AUDIT_MONTHS_AHEAD = 12
ENCODING = "UTF8"

logger = logging.getLogger(__name__)


def upgrade(url: str, revision: str = "head") -> None:
    """The database is at the revision, and has the partitions of the audit trail for a year.

    Waits for another process that is migrating. A database that a later version has migrated stays as it is.
    Must be called outside an event loop.

    Raises:
        MigrationRefused: Alembic refuses, as where there is no such revision.
    """

    async def run() -> None:
        async with migration_connection(url) as connection:
            current = await connection.run_sync(_revision_of)
            if revision == "head" and is_newer(current):
                logger.warning("the database is at revision %s, made by a later version; it stays there", current)
                return
            await connection.run_sync(_run_alembic, "upgrade", revision)
            if revision == "head":
                await connection.execute(
                    text("SELECT create_audit_partitions(:months)"), {"months": AUDIT_MONTHS_AHEAD}
                )
                await connection.commit()

    asyncio.run(run())


def downgrade(url: str, revision: str) -> None:
    """The database is at an earlier revision; `base` is the empty database.

    Raises:
        MigrationRefused: Alembic refuses, as where there is no such revision.
    """

    async def run() -> None:
        async with migration_connection(url) as connection:
            await connection.run_sync(_run_alembic, "downgrade", revision)

    asyncio.run(run())


def current_revision(url: str) -> str | None:
    """Return the revision of the database; None when it is empty."""

    async def run() -> str | None:
        async with _engine(url).connect() as connection:
            return await connection.run_sync(_revision_of)

    return asyncio.run(run())


@asynccontextmanager
async def migration_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection that alone may migrate the database, until it closes."""
    server_settings = {
        "application_name": "cms-service migrate",
        "default_transaction_isolation": "read committed",
        "lock_timeout": str(LOCK_TIMEOUT_MILLISECONDS),
    }
    async with _engine(url, server_settings=server_settings).connect() as connection:
        await _refuse_other_encodings(connection)
        await _lock(connection)
        yield connection


def _engine(url: str, **arguments: Any) -> AsyncEngine:
    # The URL may name several hosts, in a way that the driver knows and SQLAlchemy does not.
    creator = partial(connect_to_primary, url, **arguments)
    return create_async_engine("postgresql+asyncpg://", poolclass=NullPool, async_creator=creator)


async def _refuse_other_encodings(connection: AsyncConnection) -> None:
    encoding = await connection.scalar(text("SHOW server_encoding"))
    await connection.rollback()
    if encoding != ENCODING:
        raise ConfigurationError(
            f"The database has the encoding {encoding}, which cannot hold every name; make one with "
            f"CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0."
        )


async def _lock(connection: AsyncConnection) -> None:
    # Asked for again and again: a session that waits inside the lock function holds a snapshot, which
    # CREATE INDEX CONCURRENTLY in the session that has the lock would wait for in turn.
    is_told = False
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK_KEY}):
        await connection.rollback()
        if not is_told:
            logger.info("another process is migrating the database; waiting for it")
            is_told = True
        await asyncio.sleep(LOCK_POLL_SECONDS)
    await connection.commit()


def _run_alembic(connection: Connection, direction: Literal["upgrade", "downgrade"], revision: str) -> None:
    # `env.py` says which migration runs, without the rest; the import alone would say more.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from cms_service.core.database import alembic_commands  # noqa: PLC0415 - takes 100 ms, and serving does without

    alembic_commands.run(connection, direction, revision)


def _revision_of(connection: Connection) -> str | None:
    has_table = connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version")) if has_table else None
    connection.rollback()
    return revision
