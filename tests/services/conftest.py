"""Databases for the tests that change more than rows of their own."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.fixtures import Database, DatabaseFactory


@pytest.fixture
async def fresh(fresh_database: DatabaseFactory) -> Database:
    """A migrated database that only this test uses."""
    return await fresh_database()


@pytest.fixture
async def sql(fresh: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it."""
    connection = await fresh.connect()
    yield connection
    await connection.close()
