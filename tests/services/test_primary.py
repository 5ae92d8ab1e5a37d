"""All connections of a process lead to one server, which is a primary."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy import Select, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import (
    ACCESS_CHANNEL,
    DirectLine,
    FastLane,
    OtherServerReached,
    Primary,
    Question,
    StandbyReached,
    Statement,
    create_engine,
    translate_error,
    unit_of_work,
)
from cms_service.core.dependencies import SystemClock
from cms_service.core.exceptions import ServiceUnavailable
from cms_service.repositories import LeaseRepository
from cms_service.services import AccessMemory, CacheKeeper, Hearing
from tests.clocks import SetClock
from tests.eventually import eventually
from tests.fixtures import DatabaseFactory, service_environ

ANOTHER = datetime(2020, 1, 1, tzinfo=UTC)
"""The start of a server that is not there."""
PID: Select[Any] = select(func.pg_backend_pid().label("pid"))
WRITE = text("UPDATE permissions SET description = description")

Ask: TypeAlias = Callable[[Select[Any]], Awaitable[Any]]
"""The first value of the answer."""


@pytest.fixture
async def server(db: asyncpg.Connection) -> datetime:
    """The name of the server that there is."""
    started_at: datetime = await db.fetchval("SELECT pg_postmaster_start_time()")
    return started_at


@asynccontextmanager
async def by_fast_lane(settings: Settings, primary: Primary) -> AsyncIterator[Ask]:
    lane = FastLane(settings, primary)

    async def ask(statement: Select[Any]) -> Any:
        row = await lane.fetch_row(Statement(statement))
        return row and row[0]

    yield ask
    lane.close()


@asynccontextmanager
async def by_unit_of_work(settings: Settings, primary: Primary) -> AsyncIterator[Ask]:
    engine = create_engine(settings, primary)

    async def ask(statement: Select[Any]) -> Any:
        async with unit_of_work(engine) as work:
            return await work.session.scalar(statement)

    yield ask
    await engine.dispose()


both_ways = pytest.mark.parametrize("way", [by_fast_lane, by_unit_of_work])


def behind_pooler(settings: Settings) -> Settings:
    return replace(settings, database_direct_url=f"{settings.database_url}&application_name=direct")


def test_only_the_server_of_the_line_counts_while_there_is_one() -> None:
    primary = Primary()
    here, there = ({"is_in_recovery": False, "server": server} for server in (ANOTHER, ANOTHER + timedelta(days=1)))
    assert (primary.check(here), primary.check(there)) == (here["server"], there["server"])

    primary.follow(ANOTHER)

    assert primary.check(here) == ANOTHER
    with pytest.raises(OtherServerReached):
        primary.check(there)
    primary.lose()
    assert primary.check(there) == there["server"]
    with pytest.raises(StandbyReached):
        primary.check(here | {"is_in_recovery": True})


def test_epoch_ends_whenever_connections_may_lead_to_an_old_server() -> None:
    primary = Primary()
    epochs = []
    steps: list[Callable[[], None]] = [
        primary.lose,  # There was no line.
        lambda: primary.follow(ANOTHER),
        primary.lose,
        primary.lose,
        lambda: primary.follow(ANOTHER),
        primary.lose,
        primary.leave,
        primary.leave,  # Only a moment later.
    ]
    for step in steps:
        step()
        epochs.append(primary.epoch)

    assert epochs == [0, 0, 1, 1, 1, 2, 3, 3]


@both_ways
async def test_connection_to_another_server_is_refused(settings: Settings, server: datetime, way: Any) -> None:
    primary = Primary()
    primary.follow(ANOTHER)
    async with way(settings, primary) as ask:
        with pytest.raises(OtherServerReached) as refusal:
            await ask(PID)
        assert isinstance(translate_error(refusal.value), ServiceUnavailable)

        primary.follow(server)

        assert await ask(PID)


@both_ways
async def test_statement_behind_a_pooler_is_refused_when_its_transaction_is_on_another_server(
    settings: Settings, server: datetime, way: Any
) -> None:
    """A connection to a pooler leads to no server in particular."""
    primary = Primary()
    async with way(behind_pooler(settings), primary) as ask:
        assert await ask(PID)
        primary.follow(ANOTHER)
        with pytest.raises(OtherServerReached):
            await ask(PID)

        primary.follow(server)

        assert await ask(PID)


@both_ways
async def test_connection_is_not_used_again_when_the_lease_turns_out_to_be_from_another_server(
    settings: Settings, server: datetime, way: Any
) -> None:
    """It was opened while there was no lease."""
    primary = Primary()
    async with way(settings, primary) as ask:
        pid = await ask(PID)
        primary.follow(ANOTHER)
        with pytest.raises(OtherServerReached):
            await ask(PID)

        primary.follow(server)
        assert await ask(PID) != pid


@both_ways
async def test_connections_are_opened_anew_when_the_line_is_lost(
    settings: Settings, server: datetime, way: Any
) -> None:
    primary = Primary()
    primary.follow(server)
    async with way(settings, primary) as ask:
        pid = await ask(PID)
        assert await ask(PID) == pid

        primary.lose()

        assert await ask(PID) != pid


@both_ways
async def test_connection_that_is_in_use_is_not_used_again_when_the_line_is_lost_meanwhile(
    settings: Settings, db: asyncpg.Connection, server: datetime, way: Any
) -> None:
    primary = Primary()
    primary.follow(server)
    key = uuid4().int % 2**31
    async with way(settings, primary) as ask:
        await db.execute("SELECT pg_advisory_lock($1)", key)
        asked = asyncio.ensure_future(ask(PID.where(func.pg_advisory_xact_lock_shared(key).is_not(None))))
        await eventually(lambda: db.fetchval("SELECT true FROM pg_locks WHERE NOT granted AND objid = $1::oid", key))

        primary.lose()
        await db.execute("SELECT pg_advisory_unlock($1)", key)

        assert await asked != await ask(PID)
        await eventually(lambda: is_gone(db, asked.result()))


async def is_gone(db: asyncpg.Connection, pid: int) -> bool:
    return await db.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid) is None


@both_ways
async def test_connections_are_opened_anew_when_one_turns_out_to_be_read_only(
    fresh_database: DatabaseFactory, way: Any
) -> None:
    database = await fresh_database()
    connection = await database.connect()
    setting = f"ALTER DATABASE {database.name}"
    settings = load_settings(service_environ(database))
    written = select(func.nextval("numbers"))
    await connection.execute("CREATE SEQUENCE numbers")
    await connection.execute(f"{setting} SET default_transaction_read_only = on")
    async with way(settings, Primary()) as ask:
        pids = await asyncio.gather(*(ask(PID.where(func.pg_sleep(0.1).is_not(None))) for _ in range(3)))
        assert len(set(pids)) == 3
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f"{setting} RESET default_transaction_read_only")

        with pytest.raises((asyncpg.ReadOnlySQLTransactionError, DBAPIError)):
            await ask(written)

        # Each of the others would be as useless.
        assert await ask(written) == 1
        assert await ask(PID) not in pids
    await connection.close()


@both_ways
async def test_server_ends_the_statement_that_was_given_up(
    settings: Settings, db: asyncpg.Connection, way: Any
) -> None:
    """Behind a pooler, so that the server has no time limit of its own."""
    marker = uuid4().hex
    impatient = replace(behind_pooler(settings), database_command_timeout_seconds=0.1)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()"

    async def has_ended() -> bool:
        return bool(await db.fetchval(running, f"%{marker}%") == 0)

    async with way(impatient, Primary()) as ask:
        with pytest.raises((TimeoutError, DBAPIError)):
            await ask(select(func.pg_sleep(3600), literal_column(f"'{marker}'")))
        await eventually(has_ended)


async def test_answer_of_another_server_is_not_taken(settings: Settings, server: datetime) -> None:
    primary = Primary()
    lane = FastLane(behind_pooler(settings), primary)
    nothing = Question(select(literal_column("1").label("one")).where(text("false")))
    something = Question(select(literal_column("1").label("one")))
    found = await lane.ask(something)
    assert found is not None
    assert (found["one"], found["server"], found["is_in_recovery"]) == (1, server, False)
    assert await lane.ask(nothing) is None

    primary.follow(ANOTHER)

    for question in (something, nothing):
        with pytest.raises(OtherServerReached):
            await lane.ask(question)
    lane.close()


async def test_all_leases_are_waited_out_when_nobody_can_be_asked_any_more(
    settings: Settings, server: datetime
) -> None:
    """Also those of processes with other settings, which are longer."""
    clock = SetClock(0)
    async with DirectLine.open(settings, ACCESS_CHANNEL, 10) as line:
        leases, lease_id = LeaseRepository(line), uuid4()
        seen, _ = await leases.begin()
        await leases.renew(lease_id, timedelta(seconds=3600), seen)
        primary = Primary()
        lane = FastLane(settings, primary)
        hearing = Hearing(lane, 1.0, clock)
        await hearing.complete(server)
        primary.follow(ANOTHER)

        waiting = asyncio.ensure_future(hearing.complete(server))
        await asyncio.sleep(0)
        clock.seconds = 1.0
        _, unfinished = await asyncio.wait([waiting], timeout=0.5)

        assert unfinished == {waiting}
        clock.seconds = 3600.0
        await waiting
        await leases.give_back(lease_id)
    lane.close()


async def test_nobody_has_heard_of_a_change_as_far_as_another_server_knows(
    settings: Settings, server: datetime
) -> None:
    lane, clock = FastLane(settings), SetClock(0)
    hearing = Hearing(lane, 1.0, clock)
    await hearing.complete(server)

    waiting = asyncio.ensure_future(hearing.complete(ANOTHER))
    _, unfinished = await asyncio.wait([waiting], timeout=0.5)

    assert unfinished == {waiting}
    clock.seconds = 1.0
    await waiting
    lane.close()


async def test_other_connections_outlive_a_line_whose_statements_are_refused(fresh_database: DatabaseFactory) -> None:
    """The server is there. Only when the line breaks may it be gone."""
    database = await fresh_database()
    db = await database.connect()
    settings, primary = load_settings(service_environ(database)), Primary()
    memory = AccessMemory(10, SystemClock())
    open_line = partial(DirectLine.open, settings, ACCESS_CHANNEL, 1.0)
    keeping = asyncio.create_task(CacheKeeper(memory, open_line, 1.0, SystemClock(), primary).keep())

    async def is_trusted() -> bool:
        return memory.is_trusted

    async def is_distrusted() -> bool:
        return not memory.is_trusted

    async def is_lost() -> bool:
        return primary.epoch > 0

    await eventually(is_trusted)
    await db.execute("ALTER TABLE cache_leases RENAME TO hidden")
    await eventually(is_distrusted)
    await asyncio.sleep(0.5)  # Some attempts more.
    assert primary.epoch == 0

    await db.execute("ALTER TABLE hidden RENAME TO cache_leases")
    await eventually(is_trusted)
    await db.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'cms-service cache' AND datname = current_database()"
    )
    await eventually(is_lost)
    await eventually(is_trusted)

    assert primary.epoch == 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await db.close()
