"""Backups of the database, and what it takes to use them."""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from cms_service.core.database import EmbeddedPostgres
from tests.api.credentials import login
from tests.drill.cluster import ROLE, PatroniCluster
from tests.drill.page import backup_commands
from tests.fixtures import Caller, Database, run_command, running_service, service_environ

RESTORED = "cms_restored"

Restore: TypeAlias = Callable[[PatroniCluster, Caller, Path], Awaitable[None]]


async def dump(cluster: PatroniCluster, admin: Caller, directory: Path) -> None:
    """`pg_dump`, restored into another database of the same cluster."""
    cluster.run_commands(backup_commands())
    await use(Database(RESTORED, cluster.database.url.removesuffix(ROLE) + RESTORED), admin, directory)


async def base_backup(cluster: PatroniCluster, admin: Caller, directory: Path) -> None:
    """`pg_basebackup`, started as a server of its own."""
    cluster.run_commands("pg_basebackup --pgdata base --wal-method stream --checkpoint fast")
    data = cluster.directory / "base"
    with (data / "postgresql.conf").open("a") as configuration:
        # It has no standby, for which each write would wait.
        configuration.write("\nsynchronous_standby_names = ''\n")
    with EmbeddedPostgres(data, binaries=cluster.binaries) as server:
        await use(Database(ROLE, server.url_of(ROLE)), admin, directory)


BACKUPS: list[Restore] = [dump, base_backup]


async def use(database: Database, admin: Caller, directory: Path) -> None:
    """With the same secret key everything goes on; with another one, the doctor says what is wrong."""
    environ = service_environ(database)
    async with running_service(environ, directory) as service, service.client() as http:
        signed_in = await login(http, admin.email, admin.password)
        assert signed_in.status_code == 200, signed_in.text
    diagnosis = await run_command(environ | {"CMS_SECRET_KEY": secrets.token_hex(32)}, "doctor")
    assert "secret key" in diagnosis.out, diagnosis.out
