"""What all commands begin and end with."""

import sys
from collections.abc import Mapping
from typing import NoReturn

import msgspec
import rich_click as click
from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError

from cms_service.core.config import Settings, configure_logging, load_settings, read_environment

EXIT_FAILURE = 1
EXIT_CONFIGURATION = 2

DATABASE_ERRORS = (OSError, PostgresError, SQLAlchemyError)


def prepare(given: Mapping[str, str] | None = None) -> Settings:
    """The settings of the environment, those given as arguments before them; from here on logs are formatted."""
    settings = load_settings(read_environment() | dict(given or {}))
    configure_logging(settings)
    return settings


def print_json(value: object) -> None:
    """Print it on standard output as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)))


def reason_of(error: Exception) -> str:
    """One line without secrets."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__


def fail(message: str, exit_code: int) -> NoReturn:
    """Print each line of the message to standard error and end with the exit code."""
    for line in message.splitlines():
        click.echo(f"cms-service: {line}", err=True)
    sys.exit(exit_code)
