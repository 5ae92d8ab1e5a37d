"""The processes that are measured: each serves on a port of its own, with one worker unless more are asked for."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import psutil

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import driver_url
from tests.benchmarks.without import DEVELOPMENT, SERVICE
from tests.processes import workers_of

ROOT = Path(__file__).parents[2]
PUBLIC_URL = "http://127.0.0.1:8000"
"""On whatever port a service listens: the access tokens of one are good for the others."""
SECRET_KEY = "7Uq0VbYc0oV0m6kq1r4sQ2hZt3Xx9LwPj5NfG8aBcDE="
START_SECONDS = 60
STOP_SECONDS = 15
POLL_SECONDS = 0.005
MIB = 1024 * 1024


class Server(msgspec.Struct, frozen=True):
    """A server that answers."""

    url: str
    pid: int
    start_seconds: float
    """From the start of its process to its first 200."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def children(self) -> set[int]:
        """The process ids of its workers, and of what else the main process has started."""
        return workers_of(self.pid)

    @property
    def worker(self) -> int:
        """The process id of its worker: of the children of the main process, the one that has worked."""
        return max(self.children, key=_cpu_seconds)

    def cpu_seconds(self) -> float:
        """Processor time that the worker has used so far."""
        return _cpu_seconds(self.worker)

    def memory_mib(self) -> float:
        """What the worker has in memory (RSS)."""
        return psutil.Process(self.worker).memory_info().rss / MIB


def service_environment(database_url: str, port: int, workers: int = 1) -> dict[str, str]:
    """As in production; only access tokens outlive the run."""
    return {
        "CMS_ENV": "production",
        "CMS_PORT": str(port),
        "CMS_WORKERS": str(workers),
        "CMS_PUBLIC_URL": PUBLIC_URL,
        "CMS_DATABASE_URL": database_url,
        "CMS_SECRET_KEY": SECRET_KEY,
        "CMS_ACCESS_TOKEN_SECONDS": "3600",
    }


def service_settings(database_url: str) -> Settings:
    return load_settings(service_environment(database_url, 8000))


@contextmanager
def serving_service(database_url: str, log: IO[bytes], workers: int = 1) -> Iterator[Server]:
    port = _free_port()
    environment = service_environment(database_url, port, workers)
    with _serving(["cms_service", "serve"], DEVELOPMENT, environment, port, "/health/ready", log) as server:
        yield server


@contextmanager
def serving_guarded(database_url: str, log: IO[bytes]) -> Iterator[Server]:
    """The service with one route more."""
    port = _free_port()
    command = ["tests.benchmarks.guarded", str(port)]
    environment = service_environment(database_url, port)
    with _serving(command, DEVELOPMENT, environment, port, "/health/ready", log) as server:
        yield server


@contextmanager
def serving_limits(database_url: str, log: IO[bytes]) -> Iterator[Server]:
    port = _free_port()
    command = ["tests.benchmarks.limits", str(port), driver_url(database_url)]
    with _serving(command, (*DEVELOPMENT, *SERVICE), {}, port, "/plain", log) as server:
        yield server


@contextmanager
def _serving(
    command: Sequence[str],
    absent: Sequence[str],
    environment: Mapping[str, str],
    port: int,
    path: str,
    log: IO[bytes],
) -> Iterator[Server]:
    """Run the module that `command` begins with, without the packages that are `absent`."""
    started_at = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "tests.benchmarks.without", ",".join(absent), *command],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for_answer(process, port, path, log)
        yield Server(f"http://127.0.0.1:{port}", process.pid, time.perf_counter() - started_at)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, path: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(port, path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not serve: {Path(log.name).read_text()[-2000:]}")
        time.sleep(POLL_SECONDS)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
