"""Serving: the workers, their signals, and what is checked before they start."""

import asyncio
import logging
import os
import signal
import socket
import time
from functools import partial

import rich_click as click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from litestar.types import ASGIApp
from sqlalchemy.engine import make_url

from cms_service.app import GeneratedAdministrator, bootstrap_administrator, check_secret_key, create_app
from cms_service.cli.console import DATABASE_ERRORS, EXIT_FAILURE, fail, prepare, reason_of
from cms_service.core.config import Settings, configure_logging, log_dictconfig
from cms_service.core.database import (
    current_revision,
    direct_url,
    end_with_parent,
    is_current,
    running_database,
    upgrade,
)

DATABASE_WAIT_SECONDS = 30
SLOW_HEADERS_MILLISECONDS = 10_000
"""A client that takes longer to send its headers is cut off."""
DRAIN_SECONDS = 8
"""Requests in flight get this long; orchestrators kill after ten seconds."""

INTERRUPT_POLL_SECONDS = 0.1

logger = logging.getLogger(__name__)


@click.command()
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
    settings = prepare(given)
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


def _refuse_taken_port(settings: Settings) -> None:
    """Say so before anything is started: a worker would only find out much later."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            fail(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}", EXIT_FAILURE)


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
        logger.warning("the database cannot be reached yet: %s", reason_of(error))
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
