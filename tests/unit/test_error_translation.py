"""What real errors of a real PostgreSQL come to mean."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from advanced_alchemy.exceptions import NotFoundError
from msgspec.structs import replace
from sqlalchemy import Select, func, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm.exc import StaleDataError

from cms_service.core.config import Settings
from cms_service.core.database import FastLane, Statement, create_engine, pool_of, translate_error, unit_of_work
from cms_service.core.exceptions import (
    Conflict,
    EmailTaken,
    ExternalIdTaken,
    NameTaken,
    NotFound,
    PreconditionFailed,
    ServiceError,
    ServiceUnavailable,
)
from tests.eventually import eventually
from tests.fixtures import Database

Way: TypeAlias = Callable[[Settings, Select[tuple[object]]], Awaitable[object]]


async def by_unit_of_work(settings: Settings, statement: Select[tuple[object]]) -> object:
    engine = create_engine(settings)
    try:
        async with unit_of_work(engine) as work:
            return await work.session.scalar(statement)
    finally:
        await engine.dispose()


async def by_fast_lane(settings: Settings, statement: Select[tuple[object]]) -> object:
    lane = FastLane(settings)
    try:
        return await lane.fetch_row(Statement(statement))
    finally:
        lane.close()


both_ways = pytest.mark.parametrize("way", [by_unit_of_work, by_fast_lane])
ONE: Select[tuple[object]] = select(literal_column("1"))


def sleep(marker: str = "") -> Select[tuple[object]]:
    return select(func.pg_sleep(20), literal_column(f"'{marker}'"))


async def meaning_of(doing: Awaitable[object]) -> type[ServiceError] | None:
    try:
        await doing
    except Exception as error:  # noqa: BLE001 - which one it is, is the question
        meaning = translate_error(error)
        if isinstance(meaning, ServiceUnavailable):
            assert meaning.retry_after_seconds
        return None if meaning is None else type(meaning)
    pytest.fail("nothing went wrong")


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    return replace(
        settings,
        database_pool_size=1,
        database_fast_lane_connections=1,
        database_pool_timeout_seconds=0.1,
        database_command_timeout_seconds=0.2,
        database_lock_timeout_seconds=0.1,
    )


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture
async def row(engine: AsyncEngine) -> str:
    """The name of a permission that a test may change."""
    name = f"articles:{uuid4().hex}"
    async with engine.begin() as connection:
        await connection.execute(text(insert("permissions", name=name, description="")))
    return name


def insert(table: str, **columns: str) -> str:
    literals = ", ".join(f"'{value}'" for value in columns.values())
    return f"INSERT INTO {table} (id, {', '.join(columns)}) SELECT gen_random_uuid(), {literals}"


def insert_user(email: str, external_id: str) -> str:
    return insert("users", email=email, display_name="", external_id=external_id)


def change(name: str) -> str:
    return f"UPDATE permissions SET description = description || 'x' WHERE name = '{name}'"  # noqa: S608 - our own


@pytest.mark.parametrize(
    ("statements", "meaning"),
    [
        (f"{insert_user('a@b.c', '1')}; {insert_user('a@b.c', '2')}", EmailTaken),
        (f"{insert_user('a@b.c', '1')}; {insert_user('b@b.c', '1')}", ExternalIdTaken),
        (insert("roles", name="member", title="", description=""), NameTaken),
        (insert("permissions", name="users:read", description=""), NameTaken),
        (
            "INSERT INTO role_permissions (role_id, permission_id) VALUES (gen_random_uuid(), gen_random_uuid())",
            Conflict,
        ),
        ("SET TRANSACTION READ ONLY; DELETE FROM permissions", ServiceUnavailable),
        ("SELECT 1 FROM not_migrated_yet", ServiceUnavailable),
        ("SELECT not_migrated_yet FROM users", ServiceUnavailable),
        (insert("permissions", name="articles:read"), None),
        (insert("permissions", name="UPPER:CASE", description=""), None),
        ("SELECT 'x'::integer", None),
        ("SELECT 1 / 0", None),
        ("SELECT FROM WHERE", None),
    ],
)
async def test_statement_is_refused_for_what_it_means(
    engine: AsyncEngine, statements: str, meaning: type[ServiceError] | None
) -> None:
    async def execute() -> None:
        async with unit_of_work(engine) as work:
            for statement in statements.split(";"):
                await work.session.execute(text(statement))

    assert await meaning_of(execute()) is meaning


@both_ways
async def test_mistake_is_not_mistaken_for_a_fault_when_an_argument_is_wrong(settings: Settings, way: Way) -> None:
    assert await meaning_of(way(settings, select(func.repeat("a\x00", 1)))) is None
    assert await meaning_of(way(settings, select(func.pg_sleep("soon")))) is None


async def test_transaction_may_be_tried_again_when_it_lost_to_another(engine: AsyncEngine, row: str) -> None:
    async def lose() -> None:
        async with engine.connect() as connection, engine.connect() as other:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.execute(text("SELECT 1 FROM permissions"))
            await other.execute(text(change(row)))
            await other.commit()
            await connection.execute(text(change(row)))

    assert await meaning_of(lose()) is ServiceUnavailable


async def test_transaction_may_be_tried_again_when_deadlocked(engine: AsyncEngine, row: str) -> None:
    async def embrace() -> None:
        async with engine.connect() as connection, engine.connect() as other:
            for each, first in ((connection, row), (other, "users:read")):
                await each.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
                await each.execute(text(change(first)))
            waiting = asyncio.ensure_future(connection.execute(text(change("users:read"))))
            try:
                await other.execute(text(change(row)))
            finally:
                await other.rollback()
                await waiting

    assert await meaning_of(embrace()) is ServiceUnavailable


async def test_request_may_be_tried_again_when_a_lock_was_not_given(
    impatient: Settings, db: asyncpg.Connection
) -> None:
    lock = text("LOCK TABLE permissions IN ACCESS EXCLUSIVE MODE")
    engine = create_engine(impatient)

    async def wait() -> None:
        async with unit_of_work(engine) as work:
            await work.session.execute(lock)

    async with db.transaction():
        await db.execute(str(lock))
        assert await meaning_of(wait()) is ServiceUnavailable
    await engine.dispose()


async def test_wait_in_vain_for_a_connection_is_counted(impatient: Settings) -> None:
    engine, lane = create_engine(impatient), FastLane(impatient)
    async with engine.connect():
        assert await meaning_of(engine.connect().start()) is ServiceUnavailable
    asleep = asyncio.ensure_future(meaning_of(lane.fetch_row(Statement(sleep()))))
    await asyncio.sleep(0)
    assert await meaning_of(lane.fetch_row(Statement(ONE))) is ServiceUnavailable
    await asleep

    assert (pool_of(engine).timeouts, lane.timeouts) == (1, 1)
    await engine.dispose()
    lane.close()


@both_ways
async def test_service_is_unavailable_when_a_statement_takes_too_long(impatient: Settings, way: Way) -> None:
    assert await meaning_of(way(impatient, sleep())) is ServiceUnavailable


@both_ways
async def test_service_is_unavailable_when_the_server_does_not_keep_its_own_time(
    impatient: Settings, database: Database, way: Way
) -> None:
    # A pooler in between keeps the service from setting the server's limits: only those of the client remain.
    pooled = replace(impatient, database_direct_url=f"{database.url}&application_name=direct")

    assert await meaning_of(way(pooled, sleep())) is ServiceUnavailable


@both_ways
async def test_service_is_unavailable_when_its_backend_is_killed(
    settings: Settings, db: asyncpg.Connection, way: Way
) -> None:
    marker = uuid4().hex
    meaning = asyncio.ensure_future(meaning_of(way(settings, sleep(marker))))

    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()"
    await eventually(lambda: db.fetchval(kill, f"%{marker}%"))

    assert await meaning is ServiceUnavailable


async def test_service_is_unavailable_when_its_backend_is_killed_between_statements(
    engine: AsyncEngine, db: asyncpg.Connection
) -> None:
    async def go_on(connection: AsyncConnection) -> None:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        await db.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await connection.execute(text("SELECT 1"))

    async with engine.connect() as connection:
        assert await meaning_of(go_on(connection)) is ServiceUnavailable


async def test_next_request_succeeds_when_the_backends_of_idle_connections_were_killed(
    settings: Settings, db: asyncpg.Connection
) -> None:
    engine, lane = create_engine(settings), FastLane(settings)
    backend = Statement(select(func.pg_backend_pid().label("pid")))
    async with unit_of_work(engine) as work:
        pids = [await work.session.scalar(select(func.pg_backend_pid()))]
    pids.append((await lane.fetch_row(backend))["pid"])  # type: ignore[index]

    for pid in pids:
        await db.execute("SELECT pg_terminate_backend($1, 5000)", pid)

    async with unit_of_work(engine) as work:
        assert await work.session.scalar(select(func.pg_backend_pid())) not in pids
    assert (await lane.fetch_row(backend))["pid"] not in pids  # type: ignore[index]
    lane.close()
    await engine.dispose()


async def test_service_is_unavailable_when_all_its_connections_are_in_use(impatient: Settings) -> None:
    engine, lane = create_engine(impatient), FastLane(replace(impatient, database_command_timeout_seconds=20.0))
    slow = asyncio.ensure_future(lane.fetch_row(Statement(sleep())))
    await asyncio.sleep(0)

    async with engine.connect():
        assert await meaning_of(engine.connect().start()) is ServiceUnavailable
    assert await meaning_of(lane.fetch_row(Statement(ONE))) is ServiceUnavailable

    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await lane.fetch_row(Statement(ONE))
    lane.close()
    await engine.dispose()


@both_ways
@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql+asyncpg://postgres@127.0.0.1:1/postgres?ssl=disable", id="refused"),
        pytest.param("postgresql+asyncpg://postgres@/postgres?host=/nonexistent", id="no socket"),
        pytest.param("postgresql+asyncpg://postgres@db.invalid/postgres", id="no address"),
        pytest.param(None, id="no database"),
    ],
)
async def test_service_is_unavailable_when_it_cannot_connect(
    settings: Settings, database: Database, way: Way, url: str | None
) -> None:
    url = url or database.url.replace(database.name, "no_such_database")
    elsewhere = replace(settings, database_url=url, database_direct_url=url)

    assert await meaning_of(way(elsewhere, ONE)) is ServiceUnavailable


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (StaleDataError(), PreconditionFailed),
        (NotFoundError(), NotFound),
        (NameTaken(), NameTaken),
        (TimeoutError(), ServiceUnavailable),
        (ConnectionResetError(), ServiceUnavailable),
        (ExceptionGroup("clean-up", [ValueError(), EmailTaken()]), EmailTaken),
        (ExceptionGroup("clean-up", [ValueError()]), None),
        (ValueError(), None),
    ],
)
def test_error_that_is_not_of_the_driver_keeps_its_meaning(
    error: Exception, meaning: type[ServiceError] | None
) -> None:
    found = translate_error(error)

    assert (None if found is None else type(found)) is meaning
