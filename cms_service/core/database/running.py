"""The database that the settings name, or the one that development starts by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cms_service.core.config import Settings
from cms_service.core.database.embedded import EmbeddedPostgres


@contextmanager
def running_database(settings: Settings, *, is_shared: bool = True) -> Iterator[Settings]:
    """The settings with the address of their database; where they name none, one runs until the block ends.

    `is_shared` uses the database of a service that is running already, rather than refuse.
    """
    if settings.database_url is not None:
        yield settings
        return
    directory = settings.data_dir / "postgres"
    with EmbeddedPostgres(directory, is_shared=is_shared, binaries=settings.pg_bin) as postgres:
        yield msgspec.structs.replace(settings, database_url=postgres.url, database_direct_url=postgres.url)


def direct_url(settings: Settings) -> str:
    """Return the address for work that needs a session of its own, such as migrations."""
    if settings.database_direct_url is None:
        raise ValueError("the database is not running yet; use running_database")
    return settings.database_direct_url
