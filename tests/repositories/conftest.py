"""The two ways of repositories to the database that the tests of one worker share."""

from collections.abc import AsyncIterator

import pytest

from cms_service.core.config import Settings
from cms_service.core.database import FastLane, UnitOfWork, create_engine, unit_of_work


@pytest.fixture
async def work(settings: Settings) -> AsyncIterator[UnitOfWork]:
    engine = create_engine(settings)
    async with unit_of_work(engine) as work:
        yield work
    await engine.dispose()


@pytest.fixture
async def lane(settings: Settings) -> AsyncIterator[FastLane]:
    lane = FastLane(settings)
    yield lane
    lane.close()
