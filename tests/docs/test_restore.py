"""Sessions after a restore are as the page about failover and backups tells."""

import os
from pathlib import Path

from cms_service.core.database.postgres_binaries import find_binaries
from tests.api.credentials import refresh
from tests.api.problems import code_of
from tests.docs.shell import run_bash
from tests.fixtures import Caller, Database, DatabaseFactory, ServiceFactory, sign_in


async def copy(source: Database, target: Database, directory: Path) -> None:
    """By way of a dump, as in docs/operations/failover.md."""
    urls = [database.url.replace("+asyncpg", "") for database in (source, target)]
    script = 'pg_dump --format custom --file accounts.dump "$0"\npg_restore --dbname "$1" --exit-on-error accounts.dump'
    environ = {"PATH": f"{find_binaries(None, None)}:{os.defpath}"}
    output, code = await run_bash(script.replace("$0", urls[0]).replace("$1", urls[1]), directory, environ)
    assert code == 0, output


async def test_sessions_of_the_time_since_the_backup_are_lost_when_it_is_restored(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, tmp_path: Path
) -> None:
    before, restored = await fresh_database(), await fresh_database(is_migrated=False)
    service = await service_factory(before)
    async with service.client() as http:

        async def begin() -> Caller:
            return await sign_in(http, service.admin_email, service.admin_password)

        idle, refreshed, ended = await begin(), await begin(), await begin()
        await copy(before, restored, tmp_path)
        pair = (await refresh(http, refreshed.refresh_token)).json()
        assert (await ended.post("/api/v1/auth/logout")).status_code == 204
        late = await begin()
    await service.stop()

    service = await service_factory(restored)
    async with service.client() as http:
        assert code_of(await refresh(http, pair["refresh_token"]), 401) == "refresh_token_invalid"
        assert code_of(await refresh(http, late.refresh_token), 401) == "refresh_token_invalid"
        assert (await refresh(http, idle.refresh_token)).status_code == 200
        assert (await refresh(http, ended.refresh_token)).status_code == 200
