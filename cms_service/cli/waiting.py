"""What the operator hears while the database is not there yet, or not migrated."""

import asyncio
import logging
import time

import rich_click as click
from asyncpg import InterfaceError, InternalClientError, SyntaxOrAccessError
from sqlalchemy.exc import ProgrammingError

from cms_service.cli.console import DATABASE_ERRORS, reason_of
from cms_service.core.config import Settings
from cms_service.core.database import current_revision, direct_url, shown_address, translate_error
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable
from cms_service.operating import check_database

DEVELOPMENT_WAIT_SECONDS = 30
LOOK_SECONDS = 1.0
REMIND_SECONDS = 60.0
NEVER_CLASSES = frozenset({"28", "3D"})
"""Of SQLSTATE: who asks, or for which database, is wrong. Only the operator changes that."""

logger = logging.getLogger(__name__)


class DatabaseWatch:
    """Asks until the database is there, migrated and set up with our secret key; then never again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_done = False
        self._obstacle: str | None = None
        self._was_slow = False
        self._look_at = self._remind_at = time.monotonic()

    def look(self) -> None:
        """Asks once a second at most. Says what is in the way when that changes, and once a minute.

        Raises ConfigurationError where the database was set up with another secret key.
        """
        if self._is_done or time.monotonic() < self._look_at:
            return
        obstacle = self._find_obstacle()
        now = time.monotonic()
        self._look_at = now + LOOK_SECONDS
        if obstacle is None:
            self._is_done = True
            if self._obstacle is not None:
                logger.info("the database is there and migrated; requests can be served")
        elif obstacle != self._obstacle or now >= self._remind_at:
            self._remind_at = now + REMIND_SECONDS
            logger.warning("%s; readiness answers 503 until then", obstacle)
        self._obstacle = obstacle

    def _find_obstacle(self) -> str | None:
        try:
            asyncio.run(check_database(self._settings, LOOK_SECONDS))
        except NotMigrated:
            self._was_slow = False
            return "the database is not migrated: run `cms-service migrate`"
        except (ServiceUnavailable, *DATABASE_ERRORS, InterfaceError, InternalClientError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            was_slow, self._was_slow = self._was_slow, isinstance(cause, TimeoutError)
            if self._was_slow and not was_slow and self._obstacle is not None:
                return self._obstacle  # To be slow once is nothing new.
            address, reason = shown_address(self._settings.database_url or ""), reason_of(cause)
            if isinstance(cause, ProgrammingError | SyntaxOrAccessError):
                return f"PostgreSQL at {address} refuses: {reason}; `cms-service doctor` says what to do"
            return f"waiting for PostgreSQL at {address}: {reason}"
        return None


def wait_for_database(settings: Settings) -> None:
    """Until the database answers, which in development is not long; then its error is raised.

    So it is at once where waiting would not help.
    """
    deadline = time.monotonic() + DEVELOPMENT_WAIT_SECONDS
    is_told = False
    while True:
        try:
            current_revision(direct_url(settings))
        except DATABASE_ERRORS as error:
            if not _may_pass(error) or time.monotonic() > deadline:
                raise
        else:
            return
        if not is_told:
            click.echo(f"Waiting for PostgreSQL at {shown_address(direct_url(settings))} …", err=True)
            is_told = True
        time.sleep(LOOK_SECONDS / 2)


def _may_pass(error: Exception) -> bool:
    """Whether the database may be on its way: it is not there, starts, recovers or is full."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None) or ""
    return state[:2] not in NEVER_CLASSES and isinstance(translate_error(error), ServiceUnavailable)
