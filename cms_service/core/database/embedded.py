"""A PostgreSQL that development and tests start by themselves, from the binaries of a wheel or of the system."""

import ctypes
import fcntl
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from cms_service.core.database.postgres_binaries import (
    SHELTER,
    Account,
    account_for,
    find_binaries,
    is_reachable,
)
from cms_service.core.exceptions import ConfigurationError

START_SECONDS = 60
"""Enough for the recovery after a crash."""
STOP_SECONDS = 15
POLL_SECONDS = 0.02
MAX_CONNECTIONS = 200
PROC = Path("/proc")
"""Not there on macOS."""

logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A server whose data outlives it. It ends with the thread that started it, on Linux even when that is killed.

    One process at a time owns a directory. A server that a dead owner left behind is stopped first.
    """

    def __init__(
        self, directory: Path, *, durable: bool = True, is_shared: bool = False, binaries: Path | None = None
    ) -> None:
        """Without `durable` a crash of the machine may lose the data, and everything is faster.

        `is_shared` joins the server of another owner, where there is one, and leaves it running.
        """
        self.directory = directory
        self.durable = durable
        self.is_shared = is_shared
        self._configured_binaries = binaries
        self._lock: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory: Path | None = None

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        if self._socket_directory is None:
            raise RuntimeError("the server is not running")
        return f"postgresql+asyncpg://postgres@/{database}?host={self._socket_directory}&port=5432"

    def start(self) -> None:
        """Accept connections when this returns. Raises ConfigurationError; nothing is left running then."""
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            if self._acquire_lock():
                self._launch()
            else:
                self._join()
        except OSError as error:
            self.stop()
            raise ConfigurationError(
                f"{self.directory} cannot hold a database ({error}); set CMS_DATA_DIR or CMS_DATABASE_URL."
            ) from None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Roll back open transactions, close and end the server; without effect when it is not this one's."""
        if self._process is not None:
            _end(self._process)
            self._process = None
            if self._socket_directory is not None:
                shutil.rmtree(self._socket_directory, ignore_errors=True)
        self._socket_directory = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _acquire_lock(self) -> bool:
        """Whether this process owns the directory from now on; the kernel gives the lock back when it ends."""
        lock = self.directory.with_name(f"{self.directory.name}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _join(self) -> None:
        """Wait for the server of the other owner, which may just be starting."""
        if not self.is_shared:
            raise ConfigurationError(
                f"{self.directory} is in use by another cms-service; stop that one, or set CMS_DATA_DIR to another "
                "directory."
            )
        deadline = time.monotonic() + START_SECONDS
        # After a loss of power the file is there before its server is.
        while (state := _PostmasterFile.read(self.directory)) is None or not (
            state.is_ready and _serves(state.pid, self.directory.resolve())
        ):
            if time.monotonic() > deadline:
                raise ConfigurationError(f"{self.directory} is in use, but its server does not start.")
            time.sleep(POLL_SECONDS)
        self._socket_directory = state.socket_directory

    def _launch(self) -> None:
        account = account_for(self.directory)
        data = self._settle(account)
        binaries = find_binaries(self._configured_binaries, account)
        if not (data / "PG_VERSION").exists():
            _initialise(data, binaries, account)
        _end_leftover(data)

        # Not the data directory itself: the path of a socket is limited to 107 bytes, as TMPDIR is not.
        self._socket_directory = Path(tempfile.mkdtemp(prefix="cms-pg-", dir="/tmp"))
        if account is not None:
            os.chown(self._socket_directory, *account)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_directory),
            "max_connections": str(MAX_CONNECTIONS),
            "timezone": "UTC",
        }
        if not self.durable:
            options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        command = [str(binaries / "postgres"), "-D", str(data), "-p", "5432"]
        command += [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        with (data / "server.log").open("ab") as log:
            log_start = log.tell()
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A terminal sends Ctrl-C to the whole group; the database goes last, when the service has ended.
                start_new_session=True,
                preexec_fn=_parent_death_signal(signal.SIGINT),  # noqa: PLW1509 - one system call, no lock
                **_as(account),
            )
        _wait_until_ready(process, data, log_start)

    def _settle(self, account: Account | None) -> Path:
        """Return where the data really is: the directory, or what it links to when only root can reach it."""
        data = self.directory.resolve()
        if is_reachable(data.parent, account):
            return data
        if self.directory.exists():
            raise ConfigurationError(
                f"{self.directory} lies under a private folder, where PostgreSQL, which refuses to run as root, "
                "cannot reach it; move it, or set CMS_DATA_DIR."
            )
        SHELTER.mkdir(mode=0o755, parents=True, exist_ok=True)
        data = SHELTER / f"{self.directory.name}-{secrets.token_hex(4)}"
        self.directory.symlink_to(data)
        logger.warning(
            "PostgreSQL refuses to run as root and cannot reach %s otherwise: its data is in %s", self.directory, data
        )
        return data


class _PostmasterFile:
    """What a server writes about itself into `postmaster.pid`, one fact a line."""

    def __init__(self, lines: list[str]) -> None:
        self.pid = int(lines[0])
        self.socket_directory = Path(lines[4])
        self.is_ready = lines[7].strip() == "ready"

    @classmethod
    def read(cls, data: Path) -> Self | None:
        try:
            return cls((data / "postmaster.pid").read_text().splitlines())
        except (FileNotFoundError, ValueError, IndexError):
            return None  # Not there, or not yet complete.


def end_with_parent(signal_number: signal.Signals) -> None:
    """Let the kernel send this process the signal when the thread that made it ends, however it ends (Linux).

    A parent that has ended before is not noticed.
    """
    hook = _parent_death_signal(signal_number)
    if hook is not None:
        hook()


def _parent_death_signal(signal_number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    set_option = ctypes.CDLL(None).prctl
    pr_set_pdeathsig = 1
    return lambda: set_option(pr_set_pdeathsig, signal_number)


def _as(account: Account | None) -> dict[str, Any]:
    """How a program is run: as the account, in a folder that it can enter, without our secrets around it."""
    clean = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C"}}
    return clean if account is None else clean | {"user": account.uid, "group": account.gid, "extra_groups": []}


def _initialise(data: Path, binaries: Path, account: Account | None) -> None:
    """Make an empty cluster, whole or not at all."""
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account is not None:
        os.chown(draft, *account)
    command = [str(binaries / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=trust", "--no-locale"]
    command += ["--encoding=UTF8", "--no-sync"]
    result = subprocess.run(  # noqa: S603 - our own command
        command,
        check=False,
        capture_output=True,
        text=True,
        # Left alone, it would go on writing where the next start makes room.
        preexec_fn=_parent_death_signal(signal.SIGKILL),
        **_as(account),
    )
    if result.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise ConfigurationError(f"PostgreSQL cannot make a database in {data}: {_last_line(result.stderr)}.")
    draft.replace(data)


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log_start: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while (state := _PostmasterFile.read(data)) is None or not (state.pid == process.pid and state.is_ready):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ConfigurationError(
                f"PostgreSQL did not start: {_complaint(data / 'server.log', log_start)} (see {data}/server.log)."
            )
        time.sleep(POLL_SECONDS)


def _end_leftover(data: Path) -> None:
    """End the server that a killed owner left behind, and nothing that merely got its process id since."""
    state = _PostmasterFile.read(data)
    if state is None or not _exists(state.pid):
        return  # What a dead server left is PostgreSQL's own to judge.
    if not _serves(state.pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    logger.info("stopping the PostgreSQL that an earlier run left in %s", data)
    with suppress(ProcessLookupError):  # It may be ending already.
        os.kill(state.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while _serves(state.pid, data):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"{data} is in use by process {state.pid}, which does not end; stop it.")
        time.sleep(POLL_SECONDS)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _serves(pid: int, data: Path) -> bool:
    return str(data) in _command_line(pid)


def _command_line(pid: int) -> str:
    """Return how the process was called; empty when there is none."""
    if (PROC / "self").exists():
        try:
            return (PROC / str(pid) / "cmdline").read_text().replace("\0", " ")
        except OSError:
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout  # noqa: S603 - a number


def _end(process: subprocess.Popen[bytes]) -> None:
    """Shut the server down fast, which is clean; only one that hangs is left to recovery."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()


def _complaint(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line), "it says nothing")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]
