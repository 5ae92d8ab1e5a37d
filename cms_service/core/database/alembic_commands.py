"""Runs migrations. It is imported when one is run: Alembic takes 100 ms to import, and serving does without."""

from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from cms_service.core.database.revisions import migrations_directory
from cms_service.core.exceptions import MigrationRefused


def run(connection: Connection, direction: Literal["upgrade", "downgrade"], revision: str) -> None:
    """Migrate the database to the revision.

    Raises:
        MigrationRefused: Alembic refuses, as where there is no such revision.
    """
    migrate = command.upgrade if direction == "upgrade" else command.downgrade
    try:
        migrate(config_for(connection), revision)
    except CommandError as error:
        raise MigrationRefused(str(error)) from error


def config_for(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    return config
