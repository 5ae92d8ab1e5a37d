"""Sandboxes: private copies of the repository, each with its own environment and PostgreSQL, where tests run."""

import asyncio
import os
import shutil
import site
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag

import msgspec
import psutil

from cms_service.core.database import EmbeddedPostgres, upgrade
from tests.fixtures import Cluster, make_reachable_directory
from tests.fixtures.postgres import TEMPLATE
from tests.mutation.plugin import Event, Plan

FAST, SLOW = "not slow and not fault", "slow or fault"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "build", "site", "dist", "__pycache__", ".*_cache", ".data")
COLLECTION = "collection"
COLLECTION_TIMEOUT_SECONDS = 180
LEAST_TIMEOUT_SECONDS = 120
"""More than any wait in a test, so that a test fails by itself before it is ended."""
TIMEOUT_FACTOR = 5
POLL_SECONDS = 0.1
RECORDING = "on"
"""A file that has every process of the sandbox record what it runs."""
DATABASES = "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'"
EPOCH = 1_000_000_000


class Run(msgspec.Struct, frozen=True):
    """The result of one run of pytest."""

    exit_code: int
    events: list[Event]
    output: str
    seconds: float
    timed_out: str | None = None
    """The id of the test that took too long, or `collection`."""

    @property
    def finished(self) -> list[Event]:
        return [event for event in self.events if event.outcome != "begun"]

    @property
    def failed(self) -> list[Event]:
        return [event for event in self.events if event.outcome == "failed"]


class Sandbox:
    """Runs tests on a copy of the repository, one run at a time."""

    def __init__(self, root: Path, directory: Path, url: str) -> None:
        self.root = directory / "tree"
        self.recorded = directory / "recorded"
        self._directory = directory
        self._cluster = Cluster(url)
        self._times_written = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._is_interrupted = Flag()
        directory.mkdir()
        directory.chmod(0o711)
        self.recorded.mkdir()
        shutil.copytree(root, self.root, ignore=NOT_COPIED, symlinks=True)
        self._python = _make_environment(self.root, self.recorded)
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
        usual_seconds: Mapping[str, float] | None = None,
    ) -> Run:
        """Run the tests of the plan.

        `stops`: at the first failure. `usual_seconds` are those of each test; one that takes far longer is ended, and
        the run with it. Without them there is no limit.
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
        if self._is_interrupted.is_set():
            raise RuntimeError("interrupted")
        started_at = time.monotonic()
        with output.open("wb") as log:
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                cwd=self.root,
                env=_without_coverage(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        timed_out = None
        try:
            timed_out = self._wait(process, events, usual_seconds)
        finally:
            self._end_all(process)
            asyncio.run(self._drop_databases())
        return Run(
            process.wait(),
            _read_events(events),
            output.read_text(errors="replace"),
            time.monotonic() - started_at,
            timed_out,
        )

    def interrupt(self) -> None:
        """End the present run, if there is one, and begin no other."""
        self._is_interrupted.set()
        if self._process is not None:
            self._process.kill()

    def plan(self, **members: object) -> Plan:
        return Plan(str(self._directory / "events"), **members)  # type: ignore[arg-type]

    def _wait(self, process: subprocess.Popen[bytes], events: Path, usual: Mapping[str, float] | None) -> str | None:
        """Until the run ends. Returns what takes too long, if anything does."""
        began_at, limit, current, read = time.monotonic(), float(COLLECTION_TIMEOUT_SECONDS), COLLECTION, 0
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
            if usual is None:
                continue
            found = _read_events(events)
            if len(found) > read:
                read, current, began_at = len(found), found[-1].test, time.monotonic()
                limit = LEAST_TIMEOUT_SECONDS + TIMEOUT_FACTOR * usual.get(current, 0)
            elif time.monotonic() - began_at > limit:
                return current
        return None

    def _end_all(self, process: subprocess.Popen[bytes]) -> None:
        """End what the run started and left behind: services that a fault keeps from ending, and their workers."""
        if process.poll() is None:
            process.kill()
        while left := list(self._left_behind()):
            for each in left:
                each.kill()
            psutil.wait_procs(left, timeout=1)

    def _left_behind(self) -> Iterator[psutil.Process]:
        for each in psutil.process_iter():
            try:
                # A service may have changed its folder and its group, but it was started with this Python.
                if str(self._python) in each.cmdline()[:1] and each.status() != psutil.STATUS_ZOMBIE:
                    yield each
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
        # Python trusts a compiled module whose source has the same second and size: no two versions may share both.
        self._times_written += 1
        changed_at = EPOCH + self._times_written
        os.utime(file, (changed_at, changed_at))


@contextmanager
def sandboxes(root: Path, count: int) -> Iterator[list[Sandbox]]:
    """So many sandboxes. Their servers end with the thread that calls this."""
    directory = make_reachable_directory()
    servers: list[EmbeddedPostgres] = []
    try:
        made = []
        for number in range(count):
            servers.append(EmbeddedPostgres(directory / f"postgres-{number}", durable=False))
            servers[-1].start()
            made.append(Sandbox(root, directory / f"sandbox-{number}", servers[-1].url))
        yield made
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run_on(
    sandboxes_: Sequence[Sandbox], work: Callable[[Sandbox, list[str]], Run], parts: Iterable[list[str]]
) -> list[Run]:
    """Do a part of the work in each sandbox, all at once."""
    with ThreadPoolExecutor(len(sandboxes_)) as pool, interruptible(sandboxes_):
        return list(pool.map(work, sandboxes_, parts))


@contextmanager
def interruptible(sandboxes_: Iterable[Sandbox]) -> Iterator[None]:
    """An exception, such as that of Ctrl-C, does not wait for what runs in the sandboxes."""
    try:
        yield
    except BaseException:
        for sandbox in sandboxes_:
            sandbox.interrupt()
        raise


def _read_events(file: Path) -> list[Event]:
    """The last line may be half written."""
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [msgspec.json.decode(line, type=Event) for line in lines]


def _without_coverage() -> dict[str, str]:
    """Return the environment without the variables that would make coverage measure the sandbox."""
    return {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}  # noqa: TID251


def _make_environment(tree: Path, recorded: Path) -> Path:
    """Make a virtual environment with the packages of the present one, whose `cms_service` is that of the tree.

    The services of the tests have an environment of their own, and find the tree because they run its Python.
    """
    directory = tree / ".venv"
    venv.create(directory, symlinks=True)
    python = directory / "bin" / "python"
    packages = next(directory.glob("lib/python*/site-packages"))
    shared = [path for path in site.getsitepackages() if Path(path).is_dir()]
    start = f"from tests.mutation import recorder; recorder.start({str(recorded)!r}, {str(tree / 'cms_service')!r})"
    lines = [
        str(tree),
        *(f"import site; site.addsitedir({path!r})" for path in shared),
        f"import os; os.path.exists({str(recorded / RECORDING)!r}) and exec({start!r})",
    ]
    (packages / "sandbox.pth").write_text("\n".join(lines) + "\n")
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
