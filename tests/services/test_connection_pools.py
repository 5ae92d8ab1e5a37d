"""The counts of both connection pools, which operators read in the metrics."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy import BigInteger, bindparam, func, select, text

from cms_service.core.config import Settings
from cms_service.core.database import ConnectionPool, FastLane, Statement, create_engine, pool_of
from tests.eventually import eventually

LIMIT = 2
KEY = 4_711
LOCK = Statement(select(func.pg_advisory_xact_lock_shared(bindparam("key", type_=BigInteger))))

Hold: TypeAlias = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Holds a connection until the event."""


@asynccontextmanager
async def units_of_work(settings: Settings, _: asyncpg.Connection) -> AsyncIterator[tuple[ConnectionPool, Hold]]:
    engine = create_engine(settings)

    async def hold(is_over: asyncio.Event) -> None:
        async with engine.connect():
            await is_over.wait()

    try:
        yield pool_of(engine), hold
    finally:
        await engine.dispose()


@asynccontextmanager
async def fast_lane(settings: Settings, db: asyncpg.Connection) -> AsyncIterator[tuple[ConnectionPool, Hold]]:
    lane = FastLane(settings)
    keys = iter(range(KEY, KEY + 10))

    async def hold(is_over: asyncio.Event) -> None:
        key = next(keys)
        await db.execute("SELECT pg_advisory_lock($1)", key)
        waiting = asyncio.create_task(lane.fetch_row(LOCK, key=key))
        try:
            await is_over.wait()
            await db.execute("SELECT pg_advisory_unlock($1)", key)
            await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    try:
        yield lane, hold
    finally:
        await db.execute("SELECT pg_advisory_unlock_all()")
        lane.close()
    assert (lane.opened, lane.busy) == (0, 0)


both_pools = pytest.mark.parametrize("make", [units_of_work, fast_lane])


async def reaches(pool: ConnectionPool, **counts: int) -> None:
    """Wait until these are the numbers of the pool."""

    async def is_reached() -> bool:
        return all(getattr(pool, name) == count for name, count in counts.items())

    async with asyncio.timeout(10):
        await eventually(is_reached)


@both_pools
async def test_connections_are_counted_while_they_are_taken_and_given_back(
    settings: Settings, db: asyncpg.Connection, make: Callable[..., Any]
) -> None:
    few = replace(settings, database_pool_size=LIMIT, database_fast_lane_connections=LIMIT)
    async with make(few, db) as (pool, hold):
        assert (pool.limit, pool.opened, pool.busy, pool.waiting, pool.timeouts) == (LIMIT, 0, 0, 0, 0)
        ends, tasks = [], []
        for opened, busy, waiting in ((1, 1, 0), (2, 2, 0), (2, 2, 1)):
            ends.append(asyncio.Event())
            tasks.append(asyncio.create_task(hold(ends[-1])))
            await reaches(pool, opened=opened, busy=busy, waiting=waiting)
        for end, task, busy in zip(ends, tasks, (2, 1, 0), strict=True):
            end.set()
            await task
            await reaches(pool, opened=2, busy=busy, waiting=0)
        assert (pool.limit, pool.timeouts) == (LIMIT, 0)


@pytest.mark.parametrize("is_behind_pooler", [True, False])
async def test_statements_have_no_names_behind_a_pooler(settings: Settings, is_behind_pooler: bool) -> None:
    """A statement with a name would stay on a connection that others get next."""
    assert settings.database_url is not None
    direct_url = f"{settings.database_url}&application_name=direct" if is_behind_pooler else settings.database_url
    engine = create_engine(replace(settings, database_direct_url=direct_url))

    async with engine.connect() as connection:
        named = await connection.scalar(text("SELECT count(*) > 0 FROM pg_prepared_statements"))
        assert named is not is_behind_pooler

    await engine.dispose()


async def test_statements_and_locks_end_after_the_seconds_of_the_settings(settings: Settings) -> None:
    engine = create_engine(replace(settings, database_command_timeout_seconds=7, database_lock_timeout_seconds=3))

    async with engine.connect() as connection:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        shown = [await connection.scalar(text(f"SHOW {name}")) for name in names]

    await engine.dispose()
    assert shown == ["7s", "3s", "70s"]


async def give_up(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def lose_patience(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


@both_pools
@pytest.mark.parametrize(("leave", "patience", "timeouts"), [(give_up, 60.0, 0), (lose_patience, 0.05, 1)])
async def test_nobody_waits_any_more_when_the_only_one_has_left(
    settings: Settings,
    db: asyncpg.Connection,
    make: Callable[..., Any],
    leave: Callable[[asyncio.Task[None]], Awaitable[None]],
    patience: float,
    timeouts: int,
) -> None:
    one = replace(
        settings, database_pool_size=1, database_fast_lane_connections=1, database_pool_timeout_seconds=patience
    )
    async with make(one, db) as (pool, hold):
        is_over = asyncio.Event()
        holding = asyncio.create_task(hold(is_over))
        await reaches(pool, opened=1, busy=1, waiting=0)
        other_is_over = asyncio.Event()
        if leave is lose_patience:
            other_is_over.set()
        other = asyncio.create_task(hold(other_is_over))
        if leave is give_up:
            await reaches(pool, waiting=1)
        await leave(other)

        assert (pool.opened, pool.busy, pool.waiting, pool.timeouts) == (1, 1, 0, timeouts)
        is_over.set()
        await holding
        assert (pool.opened, pool.busy) == (1, 0)
