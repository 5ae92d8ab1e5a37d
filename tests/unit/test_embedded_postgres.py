import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree

import asyncpg
import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import EmbeddedPostgres, postgres_binaries, running_database
from cms_service.core.exceptions import ConfigurationError
from tests.fixtures import make_reachable_directory
from tests.processes import is_running

IS_ROOT = os.geteuid() == 0
NOBODY = postgres_binaries.Account(pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
OWNER_THAT_WAITS = """
import sys, time
from pathlib import Path
from cms_service.core.database import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.url, flush=True)
time.sleep(60)
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
    left_behind = EmbeddedPostgres(data, durable=False)
    left_behind.start()
    pid = pid_of(data)
    assert left_behind._lock is not None
    left_behind._lock.close()  # As the kernel does for an owner that was killed.
    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1
        assert pid_of(data) != pid
    left_behind.stop()


async def test_start_waits_until_a_leftover_server_has_ended(data: Path) -> None:
    left_behind = EmbeddedPostgres(data, durable=False)
    left_behind.start()
    pid = pid_of(data)
    assert left_behind._lock is not None
    left_behind._lock.close()
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(1, os.kill, (pid, signal.SIGCONT))
    going_on.start()

    with EmbeddedPostgres(data, durable=False) as server:
        assert await ask(server, "SELECT 1") == 1

    going_on.join()
    left_behind.stop()


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


def test_start_is_refused_when_the_chosen_binaries_are_not_there(reachable_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="CMS_PG_BIN is '/nowhere'; expected a folder with initdb and postgres"
    ):
        EmbeddedPostgres(reachable_path / "postgres", binaries=Path("/nowhere")).start()


def test_start_is_refused_with_the_remedy_when_there_are_no_binaries(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "_candidates", lambda: iter(()))
    with pytest.raises(ConfigurationError, match=r"CMS_DATABASE_URL is missing.*uv sync.*CMS_PG_BIN"):
        EmbeddedPostgres(reachable_path / "postgres").start()


@pytest.mark.skipif(not IS_ROOT, reason="only root has folders that PostgreSQL cannot reach")
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


@pytest.mark.skipif(not IS_ROOT, reason="only root has folders that PostgreSQL cannot reach")
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
