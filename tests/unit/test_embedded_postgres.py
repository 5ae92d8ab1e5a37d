import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree
from typing import IO, Any, NoReturn

import asyncpg
import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import EmbeddedPostgres, embedded, postgres_binaries, running_database
from cms_service.core.exceptions import ConfigurationError
from tests.eventually import eventually
from tests.fixtures import make_reachable_directory
from tests.processes import is_running

IS_ROOT = os.geteuid() == 0
NOBODY = postgres_binaries.Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has folders that PostgreSQL cannot reach")
"""PostgreSQL runs as the user who starts it, except for root, who starts it as `nobody`."""
OWNER_THAT_WAITS = """
import sys, time
from pathlib import Path
from cms_service.core.database import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.url, flush=True)
time.sleep(60)
"""


SCRIPT = """#!/bin/sh
{commands}
"""


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """The data directory of a server that has run before."""
    parent = make_reachable_directory()
    with EmbeddedPostgres(parent / "postgres", durable=False):
        pass
    yield parent / "postgres"
    rmtree(parent)


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(server.url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def pid_of(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().splitlines()[0])


def leave_behind(data: Path) -> EmbeddedPostgres:
    """Start a server whose owner is killed: the kernel lets go of the lock, and nobody stops the server."""
    server = EmbeddedPostgres(data, durable=False)
    server.start()
    assert server._lock is not None
    server._lock.close()
    return server


def is_open_to_others(directory: str) -> bool:
    return Path(directory).stat().st_mode & 0o077 != 0


async def test_data_outlives_the_server(data: Path) -> None:
    with EmbeddedPostgres(data, durable=False) as server:
        await ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT number FROM kept") == 7
    assert not (data / "postmaster.pid").exists()


async def test_server_listens_on_its_socket_only(data: Path) -> None:
    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SHOW listen_addresses") == ""
        assert not is_open_to_others(str(await ask(server, "SHOW unix_socket_directories")))
        assert await ask(server, "SHOW fsync") == "off"


async def test_server_is_durable_when_nothing_else_is_said(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        assert await ask(server, "SHOW fsync") == "on"


async def test_path_may_be_longer_than_a_socket_name(reachable_path: Path) -> None:
    with EmbeddedPostgres(reachable_path / ("long" * 30) / "postgres", durable=False) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_second_owner_is_refused_and_a_guest_is_let_in(data: Path) -> None:
    with EmbeddedPostgres(data, durable=False) as server:
        with pytest.raises(
            ConfigurationError, match="is in use by another cms-service; stop that one, or set CMS_DATA"
        ):
            EmbeddedPostgres(data).start()
        with EmbeddedPostgres(data, is_shared=True) as guest:
            assert guest.url == server.url
        assert await ask(server, "SELECT 1") == 1


def test_server_starts_when_the_pid_file_is_stale(data: Path) -> None:
    with EmbeddedPostgres(data, durable=False):
        lines = (data / "postmaster.pid").read_text().splitlines()
    # The number belongs by now to a process that has nothing to do with it, and must survive.
    with subprocess.Popen(["/bin/sleep", "60"]) as bystander:
        (data / "postmaster.pid").write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        with EmbeddedPostgres(data, durable=False):
            assert pid_of(data) != bystander.pid
        assert bystander.poll() is None
        bystander.kill()


async def test_leftover_server_is_replaced(data: Path) -> None:
    left_behind = leave_behind(data)
    pid = pid_of(data)
    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1
        assert pid_of(data) != pid
    left_behind.stop()


async def test_start_waits_until_a_leftover_server_has_ended(data: Path) -> None:
    left_behind = leave_behind(data)
    pid = pid_of(data)
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(1, os.kill, (pid, signal.SIGCONT))
    going_on.start()

    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1

    going_on.join()
    left_behind.stop()


async def test_start_is_refused_when_a_leftover_server_does_not_end(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind = leave_behind(data)
    pid = pid_of(data)
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(embedded, "STOP_SECONDS", -1)
            with pytest.raises(ConfigurationError, match=f"in use by process {pid}, which does not end; stop it"):
                EmbeddedPostgres(data).start()
    finally:
        os.kill(pid, signal.SIGCONT)
        left_behind.stop()


async def test_start_is_refused_while_a_process_of_a_killed_server_still_runs(data: Path) -> None:
    """Two servers at once would destroy the data. PostgreSQL knows from the pid file, so nobody else removes it."""
    killed = leave_behind(data)
    pid = pid_of(data)
    connection = await asyncpg.connect(killed.url.replace("+asyncpg", ""))
    backend = connection.get_server_pid()
    os.kill(backend, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(os.waitpid, pid, 0)
    try:
        with pytest.raises(ConfigurationError, match="pre-existing shared memory block"):
            EmbeddedPostgres(data).start()
        assert pid_of(data) == pid
    finally:
        os.kill(backend, signal.SIGKILL)
        connection.terminate()
        killed.stop()

    async def has_ended() -> bool:
        return not is_running(backend)

    await eventually(has_ended)
    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1


async def test_server_that_does_not_end_in_time_is_shut_down_at_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data, durable=False)
    server.start()
    pid = pid_of(data)
    connection = await asyncpg.connect(server.url.replace("+asyncpg", ""))
    # A fast shutdown waits for the program, because the session that started it cannot be interrupted.
    marker = data / "has-begun"
    program = f'trap "" INT TERM; touch {marker}; exec sleep 10'
    await connection.execute("CREATE TEMPORARY TABLE lines (line text)")
    copying = asyncio.ensure_future(connection.execute(f"COPY lines FROM PROGRAM '{program}'"))

    async def has_begun() -> bool:
        return marker.exists()

    await eventually(has_begun)
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.1)

    server.stop()

    assert not is_running(pid)
    assert "received immediate shutdown request" in (data / "server.log").read_text()
    await asyncio.gather(copying, return_exceptions=True)
    connection.terminate()
    marker.unlink()


async def test_address_is_known_only_while_the_server_runs(data: Path) -> None:
    server = EmbeddedPostgres(data, durable=False)
    guest = EmbeddedPostgres(data, is_shared=True)
    with server, guest:
        assert server.url == guest.url
    for stopped in (server, guest, EmbeddedPostgres(data)):
        with pytest.raises(RuntimeError, match="not running"):
            _ = stopped.url


def hold(data: Path) -> IO[bytes]:
    """Own the directory without a server, like a process that is about to start one."""
    lock = data.with_name(f"{data.name}.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def pid_file(pid: int, socket_directory: Path, status: str) -> str:
    """The content of `postmaster.pid`."""
    return "\n".join([str(pid), "", "", "5432", str(socket_directory), "", "", f"{status:8}"]) + "\n"


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("server", ["not there", "not complete", "starting", "another program", "dead"])
def test_guest_is_refused_when_the_server_of_the_owner_does_not_start(
    reachable_path: Path, dead_pid: int, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    data = reachable_path / "postgres"
    data.mkdir()
    monkeypatch.setattr(embedded, "START_SECONDS", -1)
    # A command line with the directory in it is that of a server.
    command = ["/bin/sh", "-c", "read -r line", "postgres", *([str(data)] if server == "starting" else [])]
    with hold(data), subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own command
        written = {
            "not there": None,
            "not complete": f"{process.pid}\n{data}\n",
            "starting": pid_file(process.pid, data, "starting"),
            "another program": pid_file(process.pid, data, "ready"),
            "dead": pid_file(dead_pid, data, "ready"),
        }[server]
        if written is not None:
            (data / "postmaster.pid").write_text(written)

        with pytest.raises(ConfigurationError, match="is in use, but its server does not start"):
            EmbeddedPostgres(data, is_shared=True).start()


async def test_guest_waits_until_the_server_of_the_owner_has_started(data: Path) -> None:
    with EmbeddedPostgres(data, durable=False) as server:
        pid_file = data / "postmaster.pid"
        ready = pid_file.read_text()
        pid_file.write_text(ready.replace("ready", "starting"))
        started = threading.Timer(0.2, pid_file.write_text, (ready,))
        started.start()
        try:
            with EmbeddedPostgres(data, is_shared=True) as guest:
                assert pid_file.read_text() == ready
                assert guest.url == server.url
        finally:
            started.join()


@pytest.mark.skipif(shutil.which("ps") is None, reason="where there is no /proc, `ps` tells them")
async def test_servers_are_told_from_other_programs_where_there_is_no_proc(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PROC", Path("/nowhere"))
    with EmbeddedPostgres(data, durable=False) as server, EmbeddedPostgres(data, is_shared=True) as guest:
        assert guest.url == server.url
    test_server_starts_when_the_pid_file_is_stale(data)


@pytest.mark.parametrize("is_shared", [True, False, None])
async def test_commands_use_the_database_of_a_running_service_unless_they_want_their_own(
    data: Path, is_shared: bool | None
) -> None:
    settings = load_settings({"CMS_ENV": "development", "CMS_DATA_DIR": str(data.parent)})
    choice = {} if is_shared is None else {"is_shared": is_shared}
    with EmbeddedPostgres(data, durable=False) as server:
        if is_shared is False:
            with pytest.raises(ConfigurationError, match="is in use"), running_database(settings, **choice):
                pass
        else:
            with running_database(settings, **choice) as running:
                assert (running.database_url, running.database_direct_url) == (server.url, server.url)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_server_ends_when_its_owner_is_killed(data: Path) -> None:
    command = [sys.executable, "-c", OWNER_THAT_WAITS, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:  # noqa: S603 - our own command
        assert owner.stdout is not None
        assert owner.stdout.readline().startswith("postgresql+asyncpg://")
        pid = pid_of(data)
        assert is_running(pid)
        owner.kill()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


async def test_server_starts_after_an_initialisation_that_was_cut_short(reachable_path: Path) -> None:
    draft = reachable_path / "postgres.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(reachable_path / "postgres", durable=False) as server:
        assert await ask(server, "SELECT 1") == 1


def test_start_is_refused_with_the_reason_when_the_data_is_of_another_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text()
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ConfigurationError, match=r"did not start: .*incompatible .*server\.log"):
        EmbeddedPostgres(data).start()
    (data / "PG_VERSION").write_text(version)


def test_start_is_refused_when_something_else_is_in_the_way(reachable_path: Path) -> None:
    data = reachable_path / "postgres"
    data.mkdir()
    (data / "diary.txt").write_text("dear diary")
    with pytest.raises(ConfigurationError, match="cannot hold a database"):
        EmbeddedPostgres(data).start()
    assert (data / "diary.txt").read_text() == "dear diary"


@pytest.mark.parametrize("there", [[], ["initdb"], ["postgres"]])
def test_start_is_refused_when_the_chosen_binaries_are_not_there(reachable_path: Path, there: list[str]) -> None:
    binaries = reachable_path / "bin"
    binaries.mkdir()
    for name in there:
        (binaries / name).touch()
    with pytest.raises(ConfigurationError, match=r"CMS_PG_BIN is '.*'; expected a folder with initdb and postgres"):
        EmbeddedPostgres(reachable_path / "postgres", binaries=binaries).start()


def test_start_is_refused_with_the_remedy_when_there_are_no_binaries(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "_candidates", lambda: iter(()))
    with pytest.raises(ConfigurationError, match=r"CMS_DATABASE_URL is missing.*uv sync.*CMS_PG_BIN"):
        EmbeddedPostgres(reachable_path / "postgres").start()


def make_binaries(parent: Path, *, initdb: str = "", postgres: str = "") -> Path:
    """Return a folder with programs of these names, which do what the commands say."""
    binaries = parent / "package" / "pginstall" / "bin"
    binaries.mkdir(parents=True)
    for name, commands in (("initdb", initdb), ("postgres", postgres)):
        (binaries / name).write_text(SCRIPT.format(commands=commands))
        (binaries / name).chmod(0o755)
    return binaries


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ("echo one >&2; echo 'No space left on device' >&2; exit 1", "No space left on device"),
        ("exit 1", "it says nothing"),
    ],
)
def test_nothing_is_left_when_the_database_cannot_be_made(reachable_path: Path, commands: str, reason: str) -> None:
    binaries = make_binaries(reachable_path, initdb=commands)
    data = reachable_path / "data" / "postgres"

    with pytest.raises(ConfigurationError, match=f"cannot make a database in {data}: {reason}\\."):
        EmbeddedPostgres(data, binaries=binaries).start()

    assert [path.name for path in data.parent.iterdir()] == ["postgres.lock"]


def test_start_is_refused_when_the_server_ends_without_a_word(reachable_path: Path) -> None:
    binaries = make_binaries(reachable_path, initdb='touch "$2/PG_VERSION"', postgres="exit 1")

    with pytest.raises(ConfigurationError, match=r"did not start: it says nothing \(see .*server\.log"):
        EmbeddedPostgres(reachable_path / "postgres", binaries=binaries).start()


def test_start_is_refused_when_the_server_does_not_become_ready(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", -1)
    binaries = make_binaries(reachable_path, initdb='touch "$2/PG_VERSION"', postgres="exec sleep 20")

    with pytest.raises(ConfigurationError, match="did not start"):
        EmbeddedPostgres(reachable_path / "postgres", binaries=binaries).start()


def test_root_needs_a_user_who_is_nobody(reachable_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nobody(name: str) -> NoReturn:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", find_nobody)

    with pytest.raises(ConfigurationError, match="there is no user 'nobody'; run as another user, or set"):
        EmbeddedPostgres(reachable_path / "postgres").start()


def test_server_of_root_runs_as_the_owner_of_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if IS_ROOT:
        os.chown(tmp_path, 1234, 1235)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    account = postgres_binaries.account_for(tmp_path)

    assert account == postgres_binaries.Account(tmp_path.stat().st_uid, tmp_path.stat().st_gid)


@needs_root
def test_data_that_only_root_can_reach_stays_where_it_is(reachable_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SHELTER", reachable_path / "shelter")
    data = reachable_path / "private" / "postgres"
    data.mkdir(parents=True)
    data.parent.chmod(0o700)

    with pytest.raises(ConfigurationError, match=f"{data} lies under a private folder.*move it, or set CMS_DATA_DIR"):
        EmbeddedPostgres(data).start()

    assert not (reachable_path / "shelter").exists()


def test_start_is_refused_when_there_is_no_room_for_binaries_that_others_can_run(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reachable_path / "file").touch()
    monkeypatch.setattr(postgres_binaries, "SHELTER", reachable_path / "file" / "shelter")
    private = reachable_path / "private"
    binaries = make_binaries(private)
    private.chmod(0o700)

    with pytest.raises(ConfigurationError, match=f"{binaries} lies .*file/shelter: Not a directory; set CMS_PG_BIN"):
        postgres_binaries.find_binaries(binaries, NOBODY)


def test_no_part_of_the_binaries_is_left_when_they_cannot_be_copied(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelter = reachable_path / "shelter"
    monkeypatch.setattr(postgres_binaries, "SHELTER", shelter)
    private = reachable_path / "private"
    binaries = make_binaries(private)
    private.chmod(0o700)
    os.mkfifo(binaries / "pipe")  # Copying a pipe fails.

    with pytest.raises(ConfigurationError, match=f"cannot be copied to {shelter}: .*is a named pipe"):
        postgres_binaries.find_binaries(binaries, NOBODY)

    assert list(shelter.iterdir()) == []


def test_binaries_are_those_of_another_process_when_it_was_faster(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "SHELTER", reachable_path / "shelter")
    private = reachable_path / "private"
    binaries = make_binaries(private)
    private.chmod(0o700)
    copied = postgres_binaries.find_binaries(binaries, NOBODY)
    theirs = copied.parents[2]
    aside = theirs.rename(theirs.with_name("aside"))

    def copy_slowly(*arguments: Any, **options: Any) -> None:
        copytree(*arguments, **options)
        aside.rename(theirs)

    monkeypatch.setattr("shutil.copytree", copy_slowly)

    assert postgres_binaries.find_binaries(binaries, NOBODY) == copied
    assert list(theirs.parent.iterdir()) == [theirs]


@needs_root
async def test_data_lies_elsewhere_when_only_root_can_reach_the_folder(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelter = reachable_path / "shelter"
    monkeypatch.setattr("cms_service.core.database.embedded.SHELTER", shelter)
    monkeypatch.setattr(postgres_binaries, "SHELTER", shelter)
    private = reachable_path / "private"
    private.mkdir(mode=0o700)
    for _ in range(2):
        with EmbeddedPostgres(private / "postgres", durable=False) as server:
            assert await ask(server, "SELECT 1") == 1
    assert [path.resolve().parent for path in private.glob("postgres")] == [shelter]
    assert len(list(shelter.glob("postgres-*"))) == 1


@needs_root
async def test_binaries_are_run_elsewhere_when_only_root_can_reach_them(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "SHELTER", reachable_path / "shelter")
    private = reachable_path / "private"
    private.mkdir(mode=0o700)
    installation = next(postgres_binaries._candidates()).parent
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    copytree(installation, private / package.name / installation.name, symlinks=True)
    copytree(libraries, private / libraries.name, symlinks=True)
    binaries = private / package.name / installation.name / "bin"

    with EmbeddedPostgres(reachable_path / "postgres", durable=False, binaries=binaries) as server:
        assert await ask(server, "SELECT 1") == 1


@pytest.mark.skipif(
    not IS_ROOT or not postgres_binaries.is_reachable(Path(sys.executable).resolve().parent, NOBODY),
    reason="only root may become somebody else, who must be able to run this Python",
)
def test_server_starts_for_an_ordinary_user(reachable_path: Path) -> None:
    os.chown(reachable_path, *NOBODY)
    script = OWNER_THAT_WAITS.replace("time.sleep(60)", "server.stop()")
    result = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", script, str(reachable_path / "postgres")],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        user=NOBODY.uid,
        group=NOBODY.gid,
        extra_groups=[],
    )
    assert result.stdout.startswith("postgresql+asyncpg://"), result.stderr
    assert (reachable_path / "postgres").stat().st_uid == NOBODY.uid
