"""`serve` in development begins when its database does."""

import asyncio
import logging
import time
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from cms_service.cli.waiting import DEVELOPMENT_WAIT_SECONDS, LOOK_SECONDS, DatabaseWatch, wait_for_database
from cms_service.core.config import load_settings
from tests.eventually import eventually
from tests.fixtures import Cluster, Database, DatabaseFactory, service_environ


async def test_database_is_waited_for_while_it_answers_that_it_is_not_ready(
    cluster: Cluster, fresh_database: DatabaseFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    database = await fresh_database()
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")

    waiting = asyncio.create_task(asyncio.to_thread(wait_for_database, load_settings(service_environ(database))))

    async def is_told() -> bool:
        return waiting.done() or "Waiting for PostgreSQL at" in capsys.readouterr().err

    await eventually(is_told)
    assert not waiting.done()
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
    await waiting


@pytest.mark.parametrize(
    ("wrong", "found"),
    [({"username": "nobody-here"}, "nobody-here"), ({"database": "not-here"}, "not-here")],
)
async def test_nobody_waits_for_what_only_the_operator_can_change(
    database: Database, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], found: str
) -> None:
    url = make_url(database.url).set(**wrong).render_as_string().replace("+asyncpg", "")
    settings = load_settings(service_environ(database, database_url=url))

    asked_at = time.monotonic()
    with pytest.raises(DBAPIError, match=f'"{found}" does not exist'):
        await asyncio.to_thread(wait_for_database, settings)

    assert time.monotonic() - asked_at < DEVELOPMENT_WAIT_SECONDS
    assert "Waiting" not in capsys.readouterr().err


async def test_database_that_is_slow_for_a_moment_is_no_new_obstacle(
    cluster: Cluster, fresh_database: DatabaseFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    database = await fresh_database()
    watch = DatabaseWatch(load_settings(service_environ(database)))

    async def look() -> None:
        await asyncio.sleep(LOOK_SECONDS)
        await asyncio.to_thread(watch.look)

    async def look_until_told(message: str) -> None:
        async def is_told() -> bool:
            await look()
            return message in caplog.text

        await eventually(is_told)

    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    await look_until_told("not currently accepting connections")
    caplog.clear()
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")
    blocking = await database.connect()
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        await look()
        told_of_one = [record for record in caplog.records if record.name == watch.__module__]
        await look_until_told("TimeoutError")
    await look_until_told("the database is there")
    await blocking.close()

    assert not told_of_one
