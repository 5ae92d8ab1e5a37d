import asyncio
from contextlib import AbstractAsyncContextManager

from msgspec.structs import replace

from cms_service.core.database import ACCESS_CHANNEL, DirectLine
from cms_service.core.dependencies import SystemClock
from cms_service.services import AccessMemory, CacheKeeper
from tests.eventually import eventually
from tests.unit.settings import edge_settings


async def test_worker_that_has_never_heard_has_not_stopped_hearing() -> None:
    settings = replace(edge_settings(), database_direct_url="postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    attempts = 0

    def open_line() -> AbstractAsyncContextManager[DirectLine]:
        nonlocal attempts
        attempts += 1
        return DirectLine.open(settings, ACCESS_CHANNEL, 1.0)

    async def has_tried_again() -> bool:
        return attempts > 1

    clock = SystemClock()
    keeper = CacheKeeper(AccessMemory(10, clock), open_line, 1.0, clock)
    keeping = asyncio.create_task(keeper.keep())
    try:
        await eventually(has_tried_again)
    finally:
        keeping.cancel()

    assert keeper.lapses == 0
