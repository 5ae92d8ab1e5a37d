"""Whether the database can be worked with."""

import asyncio

import asyncpg
from sqlalchemy import column, func, select, table

from cms_service.core.config import Settings
from cms_service.core.database.fast_lane import FastLane, Question
from cms_service.core.database.migrations import ENCODING
from cms_service.core.database.primary import OtherServerReached, Primary, StandbyReached
from cms_service.core.database.revisions import is_current
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable

TIMEOUT_SECONDS = 1.0

_STATE = Question(
    select(column("version_num"), func.current_setting("server_encoding").label("encoding")).select_from(
        table("alembic_version")
    )
)


class DatabaseProbe:
    """Asks on a connection of its own: those of requests may all be taken while PostgreSQL is well."""

    def __init__(
        self, settings: Settings, primary: Primary | None = None, within_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._lane = FastLane(settings, primary, limit=1, purpose="cms-service readiness")
        self._within_seconds = within_seconds

    async def check(self) -> None:
        """Return where PostgreSQL answers in time, is the primary, and is migrated.

        Raises:
            NotMigrated: the schema is older than this version.
            ServiceUnavailable: anything else.
        """
        try:
            async with asyncio.timeout(self._within_seconds):
                row = await self._lane.ask(_STATE)
        except StandbyReached as error:
            raise ServiceUnavailable(
                "The database is in recovery: the address leads to a standby.", retry_after_seconds=1
            ) from error
        except OtherServerReached as error:
            raise ServiceUnavailable(
                "CMS_DATABASE_URL and CMS_DATABASE_DIRECT_URL lead to different servers.", retry_after_seconds=1
            ) from error
        except asyncpg.UndefinedTableError as error:
            raise NotMigrated("The database is not migrated.", retry_after_seconds=5) from error
        except asyncpg.SyntaxOrAccessError as error:
            raise ServiceUnavailable("The database refuses what it is asked.", retry_after_seconds=5) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise ServiceUnavailable("The database does not answer.", retry_after_seconds=1) from error
        if row is None or not is_current(row["version_num"]):
            raise NotMigrated("The database is not migrated.", retry_after_seconds=5)
        if row["encoding"] != ENCODING:
            raise ServiceUnavailable(
                f"The database has the encoding {row['encoding']}, not {ENCODING}.", retry_after_seconds=5
            )

    async def is_ready(self) -> bool:
        """Whether `check` finds nothing."""
        try:
            await self.check()
        except ServiceUnavailable:
            return False
        return True

    def close(self) -> None:
        """End the connection."""
        self._lane.close()
