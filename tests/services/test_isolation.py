"""The isolation of transactions is the one that the code is written for, whatever the database says."""

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select, text

from cms_service.core.config import load_settings
from cms_service.core.database import (
    ACCESS_CHANNEL,
    DirectLine,
    FastLane,
    Statement,
    create_engine,
    for_reading,
    migration_connection,
    unit_of_work,
)
from tests.fixtures import Database, DatabaseFactory, service_environ

ISOLATION = select(func.current_setting("transaction_isolation").label("isolation"))


@pytest.fixture
async def strict(fresh_database: DatabaseFactory) -> Database:
    """A database whose transactions are repeatable reads unless they say something else."""
    database = await fresh_database()
    connection = await database.connect()
    await connection.execute(f"ALTER DATABASE {database.name} SET default_transaction_isolation = 'repeatable read'")
    await connection.close()
    return database


@pytest.mark.parametrize("is_behind_pooler", [False, True])
async def test_every_transaction_is_read_committed(strict: Database, is_behind_pooler: bool) -> None:
    settings = load_settings(service_environ(strict, database_url=strict.url))
    if is_behind_pooler:
        settings = replace(settings, database_direct_url=f"{strict.url}&application_name=direct")
    found: dict[str, Any] = {}
    lane, engine = FastLane(settings), create_engine(settings)

    row = await lane.fetch_row(Statement(ISOLATION))
    found["fast lane"] = row and row["isolation"]
    for name, each in (("writing", engine), ("reading", for_reading(engine, settings))):
        async with unit_of_work(each) as work:
            found[name] = await work.session.scalar(ISOLATION)
    async with DirectLine.open(load_settings(service_environ(strict)), ACCESS_CHANNEL, 10) as line:
        found["line"] = (await line.fetch_row(Statement(ISOLATION)))["isolation"]
    async with migration_connection(strict.url) as connection:
        found["migrations"] = await connection.scalar(text("SHOW transaction_isolation"))
    lane.close()
    await engine.dispose()

    assert found == dict.fromkeys(("fast lane", "writing", "reading", "line", "migrations"), "read committed")
