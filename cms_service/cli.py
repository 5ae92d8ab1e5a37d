"""What an operator types. Exit codes: 0 done, 1 failed, 2 a setting or an argument is wrong."""

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

import rich_click as click
from alembic.util import CommandError
from asyncpg import PostgresError
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from litestar.types import ASGIApp
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cms_service.app import (
    GeneratedAdministrator,
    bootstrap_administrator,
    check_secret_key,
    create_administrator,
    create_app,
)
from cms_service.core.config import (
    Settings,
    configure_logging,
    load_settings,
    log_dictconfig,
    read_environment,
    render_env_example,
    render_settings,
    render_settings_reference,
)
from cms_service.core.database import (
    current_revision,
    direct_url,
    downgrade,
    end_with_parent,
    is_current,
    running_database,
    upgrade,
)
from cms_service.core.exceptions import ConfigurationError, ServiceError

EXIT_FAILURE = 1
EXIT_CONFIGURATION = 2

DATABASE_WAIT_SECONDS = 30
SLOW_HEADERS_MILLISECONDS = 10_000
"""A client that takes longer to send its headers is cut off."""
DRAIN_SECONDS = 8
"""Requests in flight get this long; orchestrators kill after ten seconds."""

INTERRUPT_POLL_SECONDS = 0.1

DATABASE_ERRORS = (OSError, PostgresError, SQLAlchemyError)

logger = logging.getLogger(__name__)


def main() -> None:
    """Run the command that the arguments name; a failure is one line on standard error."""
    try:
        commands(prog_name="cms-service")
    except ConfigurationError as error:
        _fail(str(error), EXIT_CONFIGURATION)
    except ServiceError as error:
        _fail(error.detail, EXIT_FAILURE)
    except CommandError as error:
        _fail(str(error), EXIT_FAILURE)
    except DATABASE_ERRORS as error:
        _fail(f"the database refuses: {_reason(error)}", EXIT_FAILURE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cms-service")
def commands() -> None:
    """Accounts and access control for a content platform.

    Settings come from the environment (CMS_…), in development from .env too; `cms-service settings` shows them.

    Exit codes: 0 done, 1 failed, 2 a setting or an argument is wrong.
    """


@commands.command()
@click.option("--host", help="The address to listen on, instead of CMS_HOST.")
@click.option("--port", type=int, help="The port to listen on, instead of CMS_PORT.")
@click.option("--workers", type=int, help="How many processes serve, instead of CMS_WORKERS.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve until Ctrl-C or SIGTERM; requests in flight are finished.

    In development the database is started when CMS_DATABASE_URL names none, migrated, and given its first
    administrator.

    \b
    Examples:
      CMS_ENV=development cms-service serve
      cms-service serve --host 0.0.0.0 --workers 4
    """  # noqa: D301 - \b tells click to keep the lines
    arguments = {"CMS_HOST": host, "CMS_PORT": port, "CMS_WORKERS": workers}
    given = {name: str(value) for name, value in arguments.items() if value is not None}
    settings = load_settings(read_environment() | given)
    configure_logging(settings)
    _refuse_taken_port(settings)
    with running_database(settings, is_shared=False) as running:
        if settings.is_development:
            _wait_for_database(running)
            upgrade(direct_url(running))
            asyncio.run(check_secret_key(running))
            administrator = asyncio.run(bootstrap_administrator(running))
            click.echo(_banner(settings, administrator))
        else:
            _check_database(running)
        _run_server(running)


@commands.command()
@click.option("--to", "revision", default="head", show_default=True, help="The revision to go up to.")
@click.option("--down-to", help="Go down to this revision instead (base: everything). Data is lost.")
@click.option("--yes", is_flag=True, help="Do not ask before going down.")
def migrate(*, revision: str, down_to: str | None, yes: bool) -> None:
    """Bring the database to a revision; processes that do so at once take turns.

    \b
    Examples:
      cms-service migrate
      cms-service migrate --down-to audit_trail
    """  # noqa: D301 - \b tells click to keep the lines
    settings = _settings()
    with running_database(settings) as running:
        url = direct_url(running)
        if down_to is None:
            upgrade(url, revision)
        else:
            if not yes:
                click.confirm(f"Going down to {down_to} loses data. Continue?", abort=True)
            downgrade(url, down_to)
        click.echo(f"The database is at {current_revision(url) or 'base'}.")


@commands.command()
@click.option("--email", help="Instead of CMS_ADMIN_EMAIL.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_admin(*, email: str | None, password_stdin: bool) -> None:
    """Create an administrator, who holds every permission.

    The password comes from standard input, else from CMS_ADMIN_PASSWORD, else it is asked for.

    \b
    Examples:
      cms-service create-admin --email ann@example.org
      pass show cms | cms-service create-admin --password-stdin
    """  # noqa: D301 - \b tells click to keep the lines
    settings = _settings()
    address = email or settings.admin_email
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = settings.admin_password or click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with running_database(settings) as running:
        asyncio.run(create_administrator(running, address, password))
    click.echo(f"{address} is an administrator.")


@commands.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, instead of standard output.")
@click.option("--check", is_flag=True, help="Write nothing; fail when the file (openapi.json) is not up to date.")
def openapi(*, output: Path | None, check: bool) -> None:
    """Write the OpenAPI document.

    \b
    Examples:
      cms-service openapi --output openapi.json
      cms-service openapi --check
    """  # noqa: D301 - \b tells click to keep the lines
    document = _openapi_document()
    if check:
        path = output or Path("openapi.json")
        if not path.is_file() or path.read_text(encoding="utf-8") != document:
            _fail(f"{path} is not what the code says; run `cms-service openapi --output {path}`.", EXIT_FAILURE)
    elif output is not None:
        output.write_text(document, encoding="utf-8")
    else:
        click.echo(document, nl=False)


@commands.command("settings")
@click.option("--env-example", "form", flag_value="env", help="Print the text of .env.example.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the table of the documentation.")
def show_settings(form: str | None) -> None:
    """Print the settings in force, secrets hidden; or describe all that there are."""
    match form:
        case "env":
            click.echo(render_env_example(), nl=False)
        case "markdown":
            click.echo(render_settings_reference(), nl=False)
        case _:
            click.echo(render_settings(load_settings(read_environment())), nl=False)


def load_application(settings: Settings) -> ASGIApp:
    """Return the application; every worker process calls this once."""
    # A terminal sends Ctrl-C to the whole group: only the main process hears it, and stops its workers in order.
    os.setpgrp()
    # Handlers come with the fork; until granian sets its own, they would swallow what is meant to end this process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(signal.SIGTERM)
    configure_logging(settings)
    return create_app(settings)


class Interrupt:
    """What granian's main thread waits for, in place of a `threading.Event`.

    Signal handlers set it. An event takes a lock to be set, which a handler must not wait for, and a thread that is
    blocked on one was seen to sleep on when two signals came at once. This takes none, and wakes by itself.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def wait(self) -> None:
        while not self._is_set:
            time.sleep(INTERRUPT_POLL_SECONDS)


def _run_server(settings: Settings) -> None:
    server = Server(
        "cms_service",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=SLOW_HEADERS_MILLISECONDS),
        websockets=False,
        log_level=LogLevels(settings.log_level.value),
        log_dictconfig=log_dictconfig(settings),
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
    )
    server.main_loop_interrupt = Interrupt()  # type: ignore[assignment]
    hangup = signal.getsignal(signal.SIGHUP)

    @server.on_startup
    def end_with_terminal() -> None:
        """Granian would start new workers instead, and outlive the terminal; `nohup` is respected."""
        signal.signal(signal.SIGHUP, hangup if hangup is signal.SIG_IGN else server.signal_handler_interrupt)

    server.serve(target_loader=partial(load_application, settings), wrap_loader=False)


def _settings() -> Settings:
    settings = load_settings(read_environment())
    configure_logging(settings)
    return settings


def _refuse_taken_port(settings: Settings) -> None:
    """Say so before anything is started: a worker would only find out much later."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            _fail(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}", EXIT_FAILURE)


def _wait_for_database(settings: Settings) -> None:
    deadline = time.monotonic() + DATABASE_WAIT_SECONDS
    is_told = False
    while True:
        try:
            current_revision(direct_url(settings))
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        if not is_told:
            address = make_url(direct_url(settings)).render_as_string(hide_password=True)
            click.echo(f"Waiting for PostgreSQL at {address} …", err=True)
            is_told = True
        time.sleep(0.5)


def _check_database(settings: Settings) -> None:
    """Serve all the same: readiness says no until the database is there and migrated."""
    try:
        revision = current_revision(direct_url(settings))
    except DATABASE_ERRORS as error:
        logger.warning("the database cannot be reached yet: %s", _reason(error))
        return
    if not is_current(revision):
        logger.warning("the database is at revision %s; run `cms-service migrate`", revision or "base")
        return
    asyncio.run(check_secret_key(settings))


def _banner(settings: Settings, administrator: GeneratedAdministrator | None) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - a comparison
    url = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    if administrator is None:
        password = "as chosen or shown by the first start"  # noqa: S105 - no password
    elif settings.admin_password is None:
        password = f"{administrator.password}  (shown this once)"
    else:
        password = "CMS_ADMIN_PASSWORD"  # noqa: S105 - no password
    email = settings.admin_email if administrator is None else administrator.email
    return f"""
  cms-service, for development

    Service         {url}
    API reference   {url}/schema
    Administrator   {email}
    Password        {password}

  Stop with Ctrl-C. The documentation is in docs/.
"""


def _openapi_document() -> str:
    """The same on every machine: nothing of the environment is in it."""
    environ = {
        "CMS_ENV": "development",
        "CMS_SECRET_KEY": secrets.token_hex(32),
        "CMS_DATABASE_URL": "postgresql://localhost/unused",
    }
    document = create_app(load_settings(environ)).litestar.openapi_schema.to_schema()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__


def _fail(message: str, exit_code: int) -> NoReturn:
    click.echo(f"cms-service: {message}", err=True)
    sys.exit(exit_code)
