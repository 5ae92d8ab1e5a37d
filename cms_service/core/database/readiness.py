"""Whether the database can be worked with."""

import asyncio

import asyncpg
from sqlalchemy import column, select, table, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.database.fast_lane import FastLane, Statement
from cms_service.core.database.migrations import is_current
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable

TIMEOUT_SECONDS = 1.0
UNDEFINED_TABLE = "42P01"

_REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))


async def check_readiness(engine: AsyncEngine, within_seconds: float = TIMEOUT_SECONDS) -> None:
    """Raises ServiceUnavailable unless PostgreSQL answers in time and its schema is migrated (NotMigrated)."""
    try:
        async with asyncio.timeout(within_seconds), engine.connect() as connection:
            revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == UNDEFINED_TABLE:
            raise NotMigrated("The database is not migrated.", retry_after_seconds=5) from error
        raise ServiceUnavailable("The database refuses what it is asked.", retry_after_seconds=5) from error
    except (OSError, SQLAlchemyError) as error:
        raise ServiceUnavailable("The database does not answer.", retry_after_seconds=1) from error
    if not is_current(revision):
        raise NotMigrated("The database is not migrated.", retry_after_seconds=5)


async def is_ready(lane: FastLane) -> bool:
    """The same, past the connections of units of work: all of them may be taken while PostgreSQL is well."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            row = await lane.fetch_row(_REVISION)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return row is not None and is_current(row[0])
