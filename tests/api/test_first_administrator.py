"""Processes that start together make one administrator between them."""

import asyncio

import pytest

from tests.fixtures import DatabaseFactory, ServiceFactory


@pytest.mark.slow
async def test_services_start_together_when_their_database_is_empty(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database(is_migrated=False)
    await asyncio.gather(*(service_factory(database) for _ in range(3)))
    connection = await database.connect()
    try:
        assert await connection.fetchval("SELECT count(*) FROM users") == 1
    finally:
        await connection.close()
