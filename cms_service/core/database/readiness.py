"""Whether the database can be worked with."""

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.database.migrations import is_current
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable

TIMEOUT_SECONDS = 1.0
UNDEFINED_TABLE = "42P01"


async def check_readiness(engine: AsyncEngine) -> None:
    """Raises ServiceUnavailable unless PostgreSQL answers within a second and its schema is migrated (NotMigrated)."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), engine.connect() as connection:
            revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == UNDEFINED_TABLE:
            raise NotMigrated("The database is not migrated.", retry_after_seconds=5) from error
        raise ServiceUnavailable("The database refuses what it is asked.", retry_after_seconds=5) from error
    except (OSError, SQLAlchemyError) as error:
        raise ServiceUnavailable("The database does not answer.", retry_after_seconds=1) from error
    if not is_current(revision):
        raise NotMigrated("The database is not migrated.", retry_after_seconds=5)
