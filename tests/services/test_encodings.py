"""A database that cannot hold every name is refused before anything is stored."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import DatabaseProbe
from cms_service.core.exceptions import ServiceUnavailable
from tests.fixtures import Cluster, Database, run_command, service_environ


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
async def narrow(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    name = f"narrow_{uuid4().hex}"
    options = f"ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    await cluster.execute(f"CREATE DATABASE {name} {options}")
    database = cluster.database(name)
    yield database
    await cluster.drop(database)


async def test_database_is_refused_when_its_encoding_is_not_utf8(narrow: Database) -> None:
    environ = service_environ(narrow)

    migrated = await run_command(environ, "migrate")

    assert migrated.code == 2, migrated.err
    assert "which cannot hold every name" in migrated.err
    connection = await narrow.connect()
    assert await connection.fetchval("SELECT to_regclass('users')") is None
    await connection.execute("CREATE TABLE alembic_version AS SELECT 'of_next_year' AS version_num")
    await connection.close()
    probe = DatabaseProbe(load_settings(environ))
    with pytest.raises(ServiceUnavailable, match="The database has the encoding"):
        await probe.check()
    probe.close()
