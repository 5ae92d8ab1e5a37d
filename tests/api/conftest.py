"""What several of these tests share, and no others."""

from collections.abc import AsyncIterator

import pytest

from tests.api.cluster import running_replicas
from tests.fixtures import Database, Service


@pytest.fixture(scope="module")
async def replicas(
    database: Database, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Service]]:
    """Two of two workers each, for the tests of one module."""
    async with running_replicas(database, service, tmp_path_factory) as running:
        yield running
