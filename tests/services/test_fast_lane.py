"""The connections of the fast lane, when PostgreSQL refuses them."""

import asyncpg
import pytest
from sqlalchemy import literal_column, select

from cms_service.core.config import load_settings
from cms_service.core.database import FastLane, Statement
from tests.fixtures import Cluster, DatabaseFactory, service_environ

ONE = Statement(select(literal_column("1")))


async def test_refused_connections_take_no_place(cluster: Cluster, fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    limits = {"database_fast_lane_connections": "1", "database_pool_timeout_seconds": "0.2"}
    lane = FastLane(load_settings(service_environ(database, **limits)))

    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    for _ in range(3):
        with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
            await lane.fetch_row(ONE)
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")

    row = await lane.fetch_row(ONE)
    assert row is not None
    assert row[0] == 1
    assert (lane.opened, lane.busy, lane.waiting, lane.timeouts) == (1, 0, 0, 0)
    lane.close()
