"""Serving: the workers, their signals, and what is checked before they start."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Thread

import rich_click as click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from litestar.types import ASGIApp

from cms_service.app import create_app
from cms_service.cli.console import EXIT_FAILURE, fail, prepare
from cms_service.cli.draining import Draining, MainLoopInterrupt
from cms_service.cli.observing import Observing, observing
from cms_service.cli.waiting import DEVELOPMENT_WAIT_SECONDS, DatabaseWatch, wait_for_database
from cms_service.core.config import CONNECTIONS_PER_WORKER, Settings, configure_logging, log_dictconfig
from cms_service.core.database import direct_url, running_database, upgrade
from cms_service.core.exceptions import ConfigurationError
from cms_service.operating import GeneratedAdministrator, bootstrap_administrator, check_database

FINISH_SECONDS = 8
"""Requests in flight get this long, once nothing new is accepted."""
LOOK_SECONDS = 0.2

logger = logging.getLogger(__name__)


@click.command()
@click.option("--host", help="The address to listen on, instead of CMS_HOST.")
@click.option("--port", type=int, help="The port to listen on, instead of CMS_PORT.")
@click.option("--workers", type=int, help="How many processes serve, instead of CMS_WORKERS.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve until Ctrl-C or SIGTERM; requests in flight are finished.

    After SIGTERM, readiness says no and requests are served for another CMS_DRAIN_SECONDS, so that whoever balances
    the load has time to notice; a second signal ends that.

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
    with observing() as seen, running_database(settings, is_shared=False) as running:
        if settings.is_development:
            wait_for_database(running)
            upgrade(direct_url(running))
            asyncio.run(check_database(running, DEVELOPMENT_WAIT_SECONDS))
            administrator = asyncio.run(bootstrap_administrator(running))
            click.echo(_banner(settings, administrator))
        _run_server(running, seen)


def load_application(settings: Settings, draining: Draining, seen: Observing) -> ASGIApp:
    """Return the application; every worker process calls this once."""
    # A terminal sends Ctrl-C to the whole group: only the main process hears it, and stops its workers in order.
    os.setpgrp()
    # Handlers come with the fork; until granian sets its own, they would swallow what is meant to end this process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    Thread(target=end_soon_after_main_process, daemon=True).start()
    configure_logging(settings)
    # Hundreds of thousands of objects that stay until the end: looking through them again and again takes a third of
    # the time to make them now, and would stop requests later.
    gc.disable()
    try:
        application = create_app(settings, draining.has_begun, seen.metrics(), seen.tracing(settings.public_url))
        gc.collect()
        gc.freeze()
    finally:
        gc.enable()
    return application


def end_soon_after_main_process() -> None:
    """End this worker, with its requests finished, when its main process was killed, as nobody else would.

    By the kernel's clock: a signal that comes before granian listens for it is lost, or makes it wait for itself with
    the interpreter's lock in its hand. So the clock is set first.
    """
    main_process = multiprocessing.parent_process()
    while main_process is None or os.getppid() == main_process.pid:
        time.sleep(LOOK_SECONDS)
    signal.alarm(FINISH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _run_server(settings: Settings, seen: Observing) -> None:
    watch = DatabaseWatch(settings)
    watch.look()  # A wrong secret key is told before anybody is served, where that can be known.
    refusals: list[ConfigurationError] = []
    draining = Draining(settings.drain_seconds)
    server = MPServer(
        "cms_service",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.keep_alive_seconds * 1000),
        websockets=False,
        backpressure=CONNECTIONS_PER_WORKER,
        log_level=LogLevels(settings.log_level.value),
        log_dictconfig=log_dictconfig(settings),
        respawn_failed_workers=True,
        workers_kill_timeout=FINISH_SECONDS,
    )

    def end(*_: object) -> None:
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def look() -> None:
        try:
            watch.look()
        except ConfigurationError as error:
            refusals.append(error)
            end()

    server.main_loop_interrupt = MainLoopInterrupt(server, draining, look)  # type: ignore[assignment]
    hangup = signal.getsignal(signal.SIGHUP)

    def drain(*_: object) -> None:
        if not draining.begin():
            end()

    @server.on_startup
    def choose_signals() -> None:
        """At the end of its terminal granian would start new workers, and outlive it; `nohup` is respected."""
        signal.signal(signal.SIGHUP, hangup if hangup is signal.SIG_IGN else end)
        signal.signal(signal.SIGTERM, drain)

    _serve(server, partial(load_application, settings, draining, seen))
    if refusals:
        raise refusals[0]


def _serve(server: MPServer, load: Callable[[], ASGIApp]) -> None:
    """Until the end, which no exception and no signal leaves half-done."""
    try:
        server.serve(target_loader=load, wrap_loader=False)
    except Exception:
        # There may be no memory for another worker.
        logger.exception("the server cannot go on")
        if multiprocessing.active_children():
            # They end when this process does, but not the other way round: the interpreter would wait for them.
            os._exit(EXIT_FAILURE)
        sys.exit(EXIT_FAILURE)
    finally:
        # It ends already. The interpreter, as it ends, would hand later signals back to the kernel, which kills.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)


def _refuse_taken_port(settings: Settings) -> None:
    """Say so before anything is started: a worker would only find out much later."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            fail(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}", EXIT_FAILURE)


def _banner(settings: Settings, administrator: GeneratedAdministrator | None) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - a comparison
    local_url = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    # A proxy may publish it elsewhere: the links of the pages then work only there.
    is_published = settings.public_url != f"http://127.0.0.1:{settings.port}"
    url = settings.public_url if is_published else local_url
    listening = f"\n    Listens on      {local_url}" if is_published else ""
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
    API reference   {url}/schema{listening}
    Administrator   {email}
    Password        {password}

  Stop with Ctrl-C. The documentation is in docs/.
"""
