"""Benches: private copies of the repository, each with its own environment and PostgreSQL, where tests run."""

import asyncio
import os
import shutil
import site
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from cms_service.core.database import EmbeddedPostgres, upgrade
from tests.fixtures import Cluster, make_reachable_directory
from tests.fixtures.postgres import TEMPLATE
from tests.mutation.plugin import IMPORTED, Event, Plan

FAST, SLOW = "not slow and not fault", "slow or fault"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "build", "site", "dist", "__pycache__", ".*_cache", ".data")
START_SECONDS = 180
"""For the collection of the tests."""
FLOOR_SECONDS = 120
"""More than any wait in a test, so that a test fails by itself before it is ended."""
FACTOR = 5
POLL_SECONDS = 0.1
RECORDING = "on"
"""A file that has every process of the bench record what it runs."""
DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'"


class Run(msgspec.Struct, frozen=True):
    """What a run of pytest did."""

    exit_code: int
    events: list[Event]
    output: str
    seconds: float
    hung: str | None = None
    """The test that did not end, or what else did not."""

    @property
    def finished(self) -> list[Event]:
        return [event for event in self.events if event.outcome != "begun"]

    @property
    def failed(self) -> list[Event]:
        return [event for event in self.events if event.outcome == "failed"]


class Bench:
    """Runs tests on a copy of the repository, one run at a time."""

    def __init__(self, root: Path, directory: Path, url: str) -> None:
        self.root = directory / "tree"
        self.reach = directory / "reach"
        self._directory = directory
        self._cluster = Cluster(url)
        self._times_written = 0
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        directory.chmod(0o711)
        self.reach.mkdir()
        shutil.copytree(root, self.root, ignore=NOT_COPIED, symlinks=True)
        self._python = _make_environment(self.root, self.reach)
        upgrade(asyncio.run(self._create_template()))
        asyncio.run(self._cluster.execute(f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true"))

    @contextmanager
    def changed(self, path: str, content: bytes) -> Iterator[None]:
        """A module has other content."""
        file = self.root / path
        original = file.read_bytes()
        self._write(file, content)
        try:
            yield
        finally:
            self._write(file, original)

    def run(
        self,
        files: Sequence[str],
        plan: Plan,
        *,
        marks: str = FAST,
        stops: bool = False,
        normal_seconds: dict[str, float] | None = None,
    ) -> Run:
        """Run the tests of the plan. A test that takes far longer than it should is ended, and with it the run.

        `stops`: at the first failure. Without `normal_seconds` there is no limit.
        """
        plan_file, output = self._directory / "plan.json", self._directory / "output"
        events = Path(plan.events)
        events.unlink(missing_ok=True)
        plan_file.write_bytes(msgspec.json.encode(plan))
        command = [
            *(str(self._python), "-m", "pytest", "-p", "tests.mutation.plugin", "--mutation-plan", str(plan_file)),
            *("-p", "no:cacheprovider", "--quiet", "--no-header", "--tb=short", "--hypothesis-seed=0", "-m", marks),
            *("--postgres", self._cluster.url, f"--basetemp={self._directory / 'temporary'}"),
            *(["--exitfirst"] if stops else []),
            *files,
        ]
        started_at = time.monotonic()
        with output.open("wb") as log:
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        hung = None
        try:
            hung = self._wait(process, events, normal_seconds)
        finally:
            self._end_all(process)
            asyncio.run(self._drop_databases())
        told = events.read_bytes().splitlines() if events.exists() else []
        return Run(
            process.wait(),
            [msgspec.json.decode(line, type=Event) for line in told],
            output.read_text(errors="replace"),
            time.monotonic() - started_at,
            hung,
        )

    def interrupt(self) -> None:
        """End the present run, if there is one."""
        if self._process is not None:
            self._process.kill()

    def can_import(self) -> bool:
        """Whether the service can be imported at all."""
        command = [str(self._python), "-c", "".join(f"import {name};" for name in IMPORTED)]
        return subprocess.run(command, cwd=self.root, capture_output=True, check=False).returncode == 0  # noqa: S603

    def plan(self, **members: object) -> Plan:
        return Plan(str(self._directory / "events"), **members)  # type: ignore[arg-type]

    def _wait(self, process: subprocess.Popen[bytes], events: Path, normal: dict[str, float] | None) -> str | None:
        """Until the run ends. Returns what hangs, if anything does."""
        began_at, limit, current, read = time.monotonic(), float(START_SECONDS), "collection", 0
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            if normal is None:
                continue
            lines = events.read_bytes().splitlines() if events.exists() else []
            if len(lines) > read:
                read = len(lines)
                last = msgspec.json.decode(lines[-1], type=Event)
                began_at, current = time.monotonic(), last.test
                limit = FLOOR_SECONDS + FACTOR * normal.get(last.test, 0)
            elif time.monotonic() - began_at > limit:
                return current
        return None

    def _end_all(self, process: subprocess.Popen[bytes]) -> None:
        """End what the run started and left behind: services that a fault keeps from ending, and their workers."""
        if process.poll() is None:
            process.kill()
        for left in psutil.process_iter():
            try:
                # A service may have changed its folder and its group, but it was started with this Python.
                if str(self._python) in left.cmdline()[:1]:
                    left.kill()
            except psutil.Error:
                continue

    async def _create_template(self) -> str:
        await self._cluster.execute(f"CREATE DATABASE {TEMPLATE}")
        return self._cluster.database(TEMPLATE).url

    async def _drop_databases(self) -> None:
        connection = await self._cluster.database("postgres").connect()
        try:
            for row in await connection.fetch(DATABASES):
                await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
        finally:
            await connection.close()

    def _write(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        # Python compares only seconds and sizes to see whether its compiled module is stale.
        self._times_written += 1
        changed_at = time.time() - 10 * self._times_written
        os.utime(file, (changed_at, changed_at))


@contextmanager
def benches(root: Path, count: int) -> Iterator[list[Bench]]:
    """So many benches. Their servers end with the thread that calls this."""
    directory = make_reachable_directory()
    servers: list[EmbeddedPostgres] = []
    try:
        made = []
        for number in range(count):
            servers.append(EmbeddedPostgres(directory / f"postgres-{number}", durable=False))
            servers[-1].start()
            made.append(Bench(root, directory / f"bench-{number}", servers[-1].url))
        yield made
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run_on(benches_: Sequence[Bench], work: Callable[[Bench, list[str]], Run], parts: Iterable[list[str]]) -> list[Run]:
    """Do a part of the work on each bench, all at once."""
    with ThreadPoolExecutor(len(benches_)) as pool, interruptible(benches_):
        return list(pool.map(work, benches_, parts))


@contextmanager
def interruptible(benches_: Iterable[Bench]) -> Iterator[None]:
    """An exception, such as that of Ctrl-C, does not wait for what runs on the benches."""
    try:
        yield
    except BaseException:
        for bench in benches_:
            bench.interrupt()
        raise


def _make_environment(tree: Path, reach: Path) -> Path:
    """Make a virtual environment with the packages of the present one, whose `cms_service` is that of the tree.

    The services of the tests have an environment of their own, and find the tree because they run its Python.
    """
    directory = tree / ".venv"
    venv.create(directory, symlinks=True)
    python = directory / "bin" / "python"
    packages = next(directory.glob("lib/python*/site-packages"))
    shared = [path for path in site.getsitepackages() if Path(path).is_dir()]
    start = f"from tests.mutation import recorder; recorder.start({str(reach)!r}, {str(tree / 'cms_service')!r})"
    lines = [
        str(tree),
        *(f"import site; site.addsitedir({path!r})" for path in shared),
        f"import os; os.path.exists({str(reach / RECORDING)!r}) and exec({start!r})",
    ]
    (packages / "bench.pth").write_text("\n".join(lines) + "\n")
    _copy_programs(Path(sys.executable).parent, python)
    return python


def _copy_programs(programs: Path, python: Path) -> None:
    """Commands, such as `cms-service`, run by the other Python."""
    for program in programs.iterdir():
        copy = python.parent / program.name
        if copy.exists() or program.name.startswith("python"):
            continue
        content = program.read_bytes()
        first_line = f"#!{programs / 'python'}".encode()
        if content.startswith(first_line):
            copy.write_bytes(content.replace(first_line, f"#!{python}".encode(), 1))
            copy.chmod(0o755)
        else:
            copy.symlink_to(program)
