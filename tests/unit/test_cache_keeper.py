import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial

from msgspec.structs import replace

from cms_service.core.config import load_settings
from cms_service.core.database import ACCESS_CHANNEL, DirectLine, Primary
from cms_service.core.dependencies import SystemClock
from cms_service.services import AccessMemory, CacheKeeper
from tests.eventually import eventually
from tests.fixtures import DatabaseFactory, service_environ
from tests.unit.settings import NOWHERE, edge_settings

LEASE_SECONDS = 5.0
"""Long, so that no lease ends on a slow machine."""


async def test_worker_that_has_never_heard_has_not_stopped_hearing() -> None:
    settings = replace(edge_settings(), database_direct_url=NOWHERE)
    attempts = 0

    def open_line() -> AbstractAsyncContextManager[DirectLine]:
        nonlocal attempts
        attempts += 1
        return DirectLine.open(settings, ACCESS_CHANNEL, 1.0)

    async def has_tried_again() -> bool:
        return attempts > 1

    clock = SystemClock()
    keeper = CacheKeeper(AccessMemory(10, clock), open_line, 1.0, clock, Primary())
    keeping = asyncio.create_task(keeper.keep())
    try:
        await eventually(has_tried_again)
    finally:
        keeping.cancel()

    assert keeper.lapses == 0


async def test_every_time_that_a_worker_stops_hearing_is_counted_once(fresh_database: DatabaseFactory) -> None:
    database = await fresh_database()
    settings = load_settings(service_environ(database))
    clock = SystemClock()
    memory = AccessMemory(10, clock)
    attempts = 0

    def open_line() -> AbstractAsyncContextManager[DirectLine]:
        nonlocal attempts
        attempts += 1
        return DirectLine.open(settings, ACCESS_CHANNEL, LEASE_SECONDS)

    async def is_trusted() -> bool:
        return memory.is_trusted

    async def has_failed_to_connect_again() -> bool:
        return attempts > before + 2

    connection = await database.connect()
    keeper = CacheKeeper(memory, open_line, LEASE_SECONDS, clock, Primary())
    keeping = asyncio.create_task(keeper.keep())
    try:
        for lapses in range(2):
            await eventually(is_trusted)
            assert keeper.lapses == lapses
            before = attempts
            await connection.execute("ALTER TABLE cache_leases RENAME TO away")
            await eventually(has_failed_to_connect_again)
            assert keeper.lapses == lapses + 1
            assert not memory.is_trusted
            await connection.execute("ALTER TABLE away RENAME TO cache_leases")
        await eventually(is_trusted)
        assert keeper.lapses == 2
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await connection.close()


async def test_keeper_ends_when_it_is_told_to_although_its_lease_cannot_be_given_back(
    fresh_database: DatabaseFactory,
) -> None:
    database = await fresh_database()
    settings = load_settings(service_environ(database))
    blocking = await database.connect()
    clock = SystemClock()
    memory = AccessMemory(10, clock)

    async def is_trusted() -> bool:
        return memory.is_trusted

    keeper = CacheKeeper(memory, partial(DirectLine.open, settings, ACCESS_CHANNEL, 1.0), 1.0, clock, Primary())
    keeping = asyncio.create_task(keeper.keep())
    await eventually(is_trusted)
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE cache_leases IN ACCESS EXCLUSIVE MODE")
        keeping.cancel()
        await asyncio.wait([keeping], timeout=30)

    await blocking.close()
    assert keeping.cancelled()
    assert not memory.is_trusted
