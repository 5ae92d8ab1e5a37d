"""The background loops of a process: each works when that is due, not before, and pauses between rounds.

Pauses are only measured from below: a slow machine makes them longer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from cms_service.app import create_app
from cms_service.core.config import Settings, SigningAlgorithm, load_settings
from cms_service.core.database import (
    ACCESS_CHANNEL,
    DirectLine,
    FastLane,
    Primary,
    UnitOfWork,
    WorkFactory,
    create_engine,
    unit_of_work,
)
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.observability import Metrics, metrics
from cms_service.core.security import Sealer
from cms_service.repositories import CredentialRepository
from cms_service.services import AccessMemory, CacheKeeper, Housekeeper, KeyRing, KeySchedule, KeyUsage, key_usage
from tests.clocks import SetClock
from tests.eventually import eventually
from tests.factories import unique
from tests.fixtures import Database, service_environ
from tests.repositories.test_database_rules import add
from tests.services.test_signing_keys import OLD, Keys
from tests.unit.settings import NOWHERE

LOOPS = {
    "CacheKeeper.keep",
    "Housekeeper.keep_house",
    "KeyRing.keep_fresh",
    "KeyUsage.keep_writing",
    "Metrics.keep_fresh",
}
ROUNDS = 4
LEASE_SECONDS = 2.0
RELOAD_SECONDS = 0.1
SCHEDULE = KeySchedule(
    SigningAlgorithm.EDDSA,
    signs_for=timedelta(days=90),
    published_ahead=timedelta(seconds=4 * RELOAD_SECONDS),
    token_lifetime=timedelta(minutes=5),
)
HOUSEKEEPING_LOCK = 0x636D735F686F7573


class Watch:
    """Notes when something happens."""

    def __init__(self) -> None:
        self.instants: list[float] = []

    def note(self, *_: object) -> None:
        self.instants.append(asyncio.get_running_loop().time())

    async def has_noted(self, count: int) -> None:
        async def is_enough() -> bool:
            return len(self.instants) >= count

        await eventually(is_enough)

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in pairwise(self.instants)]


class Surroundings:
    """A database of the test's own, or none at all, and a watch that records each use of the database."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self.settings = settings
        self.engine = engine
        self.watch = Watch()

    @property
    def work(self) -> WorkFactory:
        """Opens units of work, and notes each."""

        def open_work() -> AbstractAsyncContextManager[UnitOfWork]:
            self.watch.note()
            return unit_of_work(self.engine)

        return open_work

    @asynccontextmanager
    async def open_line(self) -> AsyncIterator[DirectLine]:
        """Open a line; note this, and each statement on it."""
        self.watch.note()
        async with DirectLine.open(self.settings, ACCESS_CHANNEL, LEASE_SECONDS) as line:
            line._connection.add_query_logger(self.watch.note)
            yield line


@pytest.fixture
async def surroundings(fresh: Database) -> AsyncIterator[Surroundings]:
    settings = load_settings(service_environ(fresh))
    engine = create_engine(settings)
    yield Surroundings(settings, engine)
    await engine.dispose()


@pytest.fixture
async def emptiness(settings: Settings) -> AsyncIterator[Surroundings]:
    """Nothing listens where the database should be."""
    nowhere = replace(settings, database_url=NOWHERE, database_direct_url=NOWHERE)
    engine = create_engine(nowhere)
    yield Surroundings(nowhere, engine)
    await engine.dispose()


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop)
    try:
        yield task
    finally:
        assert not task.done(), "it ended by itself"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_loops_of_a_process_are_those_listed_here(surroundings: Surroundings) -> None:
    before = asyncio.all_tasks()

    async with create_app(surroundings.settings).litestar.lifespan():
        running_code: list[Any] = [task.get_coro() for task in asyncio.all_tasks() - before]

    names = {coroutine.__qualname__ for coroutine in running_code if "cms_service" in coroutine.cr_code.co_filename}
    assert names - {"KeyRing._read"} == LOOPS  # The first reading of the keys may still be under way.


@pytest.fixture
async def keys(surroundings: Surroundings, sql: asyncpg.Connection) -> Keys:
    return Keys(surroundings.engine, sql)


@asynccontextmanager
async def kept_fresh(surroundings: Surroundings) -> AsyncIterator[None]:
    """Run a key ring that reads its keys in the background."""
    ring = KeyRing(surroundings.work, Sealer(OLD), SCHEDULE, SystemClock(), SystemEntropy())
    async with running(ring.keep_fresh()):
        yield
    if ring._reading is not None:
        await asyncio.gather(ring._reading, return_exceptions=True)


async def test_next_key_is_made_when_it_is_due(surroundings: Surroundings, keys: Keys) -> None:
    await keys.keep_up(SCHEDULE)
    await keys.let_pass(SCHEDULE.signs_for)

    async with kept_fresh(surroundings):
        await surroundings.watch.has_noted(ROUNDS)

    assert len(await keys.all()) == 2


async def test_keys_are_only_read_when_none_is_due(surroundings: Surroundings, keys: Keys) -> None:
    await keys.keep_up(SCHEDULE)

    async with kept_fresh(surroundings):
        await surroundings.watch.has_noted(ROUNDS)

    assert min(surroundings.watch.pauses) >= RELOAD_SECONDS
    assert await keys.states() == ["signing"]


async def test_first_key_is_made_when_there_is_none(surroundings: Surroundings, keys: Keys) -> None:
    async with kept_fresh(surroundings):
        await surroundings.watch.has_noted(ROUNDS)

    assert await keys.states() == ["signing"]


async def test_keys_are_read_again_after_a_second_when_that_has_failed(emptiness: Surroundings) -> None:
    with capture_logs() as logged:
        async with kept_fresh(emptiness):
            await emptiness.watch.has_noted(2)

    assert min(emptiness.watch.pauses) >= 1
    assert logged == []


def cache_keeper(surroundings: Surroundings) -> tuple[CacheKeeper, AccessMemory]:
    memory = AccessMemory(10, SystemClock())
    return CacheKeeper(memory, surroundings.open_line, LEASE_SECONDS, SystemClock(), Primary()), memory


async def test_lease_is_renewed_four_times_in_its_life_when_nothing_changes(surroundings: Surroundings) -> None:
    keeper, memory = cache_keeper(surroundings)
    before_renewals, renewals = 2, 6

    async with running(keeper.keep()):
        await surroundings.watch.has_noted(before_renewals + renewals)
        # By now the first lease is over.
        assert memory.is_trusted

    first, *_, last = surroundings.watch.instants[before_renewals:]
    assert last - first >= 0.9 * (renewals - 1) * LEASE_SECONDS / 4


async def test_line_is_opened_again_after_longer_and_longer_pauses_when_that_fails(emptiness: Surroundings) -> None:
    keeper, _ = cache_keeper(emptiness)

    async with running(keeper.keep()):
        await emptiness.watch.has_noted(ROUNDS)

    assert all(pause >= least for pause, least in zip(emptiness.watch.pauses, (0.05, 0.1, 0.2), strict=True))


def housekeeper(surroundings: Surroundings) -> Housekeeper:
    """Its clock always shows a quarter of a second before the next cleaning."""
    return Housekeeper(surroundings.work, every_seconds=1, clock=SetClock(1_000.75))


async def add_key(sql: asyncpg.Connection, **columns: Any) -> UUID:
    account_id = await add(sql, "service_accounts", {"name": unique("machine"), "description": ""})
    expires_at = datetime.now(UTC) + timedelta(days=1)
    members = {"service_account_id": account_id, "name": "first", "digest": uuid4().bytes, "expires_at": expires_at}
    return await add(sql, "api_keys", members | columns)


async def is_gone(sql: asyncpg.Connection, key_id: UUID) -> bool:
    return bool(await sql.fetchval("SELECT NOT EXISTS (SELECT FROM api_keys WHERE id = $1)", key_id))


async def test_rows_are_cleaned_away_when_the_moment_has_come_and_again_after_a_pause(
    surroundings: Surroundings, sql: asyncpg.Connection
) -> None:
    keeper, watch = housekeeper(surroundings), surroundings.watch
    began_at, rounds = asyncio.get_running_loop().time(), 2

    async with running(keeper.keep_house()):
        for _ in range(rounds):
            dead = await add_key(sql, expires_at=datetime.now(UTC) - timedelta(days=31))
            await eventually(partial(is_gone, sql, dead))

    assert watch.instants[0] - began_at >= 0.25
    assert max(watch.pauses) >= 0.25
    assert keeper.cleaned_at == 1_000.75


async def test_nothing_is_cleaned_when_another_process_is_at_it(
    surroundings: Surroundings, sql: asyncpg.Connection
) -> None:
    keeper = housekeeper(surroundings)
    dead = await add_key(sql, expires_at=datetime.now(UTC) - timedelta(days=31))

    async with sql.transaction():
        await sql.execute("SELECT pg_advisory_xact_lock($1)", HOUSEKEEPING_LOCK)
        await keeper.clean()
        assert not await is_gone(sql, dead)
        assert keeper.cleaned_at == 0
    await keeper.clean()

    assert await is_gone(sql, dead)
    assert keeper.cleaned_at == 1_000.75


async def test_house_is_kept_again_at_the_next_moment_when_it_has_failed(emptiness: Surroundings) -> None:
    keeper = housekeeper(emptiness)

    with capture_logs() as logged:
        async with running(keeper.keep_house()):
            await emptiness.watch.has_noted(ROUNDS)

    assert logged == []
    assert min(emptiness.watch.pauses) >= 0.25
    assert keeper.cleaned_at == 0


class KeyUses:
    """The uses of keys in one process. The statements that write them are noted."""

    def __init__(self, surroundings: Surroundings, sql: asyncpg.Connection) -> None:
        self.clock = SetClock(1_000_000.0)
        self.lane = FastLane(surroundings.settings)
        self.credentials = CredentialRepository(self.lane)
        self.usage = KeyUsage(self.credentials, self.clock)
        self.watch = surroundings.watch
        self._sql = sql

    async def use(self, key_id: UUID, *, after_seconds: float = 0) -> None:
        self.clock.seconds += after_seconds
        self.usage.note(key_id)

    async def is_written(self, key_id: UUID) -> bool:
        """Whether its use was written. Clears the column, so that the next use shows."""

        forget = "UPDATE api_keys SET last_used_at = NULL WHERE id = $1 AND last_used_at IS NOT NULL"
        return await self._sql.execute(forget, key_id) == "UPDATE 1"

    async def is_written_at_last(self, key_id: UUID) -> None:
        await eventually(partial(self.is_written, key_id))


@pytest.fixture
async def uses(surroundings: Surroundings, sql: asyncpg.Connection) -> AsyncIterator[KeyUses]:
    uses = KeyUses(surroundings, sql)
    # The lane opens its connection, and the driver looks up the types of the statement.
    await uses.credentials.mark_used([])
    (connection,) = uses.lane._idle
    async with running(uses.usage.keep_writing()):
        with connection.query_logger(uses.watch.note):
            yield uses
    uses.lane.close()


async def test_use_of_a_key_is_written_once_a_minute(uses: KeyUses, sql: asyncpg.Connection) -> None:
    key_id, other = await add_key(sql), await add_key(sql)
    await uses.use(key_id)
    await uses.is_written_at_last(key_id)

    await uses.use(key_id, after_seconds=59.9)
    await uses.use(other)
    await uses.is_written_at_last(other)
    assert not await uses.is_written(key_id)

    await uses.use(key_id, after_seconds=0.1)
    await uses.is_written_at_last(key_id)


async def test_uses_of_many_keys_at_once_are_all_written(uses: KeyUses, sql: asyncpg.Connection) -> None:
    key_ids = [await add_key(sql) for _ in range(3)]
    for key_id in key_ids:
        await uses.use(key_id)

    for key_id in key_ids:
        await uses.is_written_at_last(key_id)


async def test_nothing_is_written_when_no_key_is_used(uses: KeyUses, sql: asyncpg.Connection) -> None:
    key_id = await add_key(sql)
    await uses.use(key_id)
    await uses.is_written_at_last(key_id)

    for _ in range(50):  # Meanwhile the loop could have written as often.
        assert not await uses.is_written(key_id)

    assert len(uses.watch.instants) == 1


async def test_least_recently_noted_key_is_forgotten_when_there_are_too_many(
    uses: KeyUses, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_usage, "MOST_REMEMBERED_KEYS", 2)
    first, second, third = [await add_key(sql) for _ in range(3)]
    for key_id, seconds in ((first, 0), (second, 0), (first, 60), (third, 0)):
        await uses.use(key_id, after_seconds=seconds)
        await uses.is_written_at_last(key_id)

    await uses.use(first)
    await uses.use(second)
    await uses.is_written_at_last(second)
    assert not await uses.is_written(first)


async def test_later_uses_are_written_after_one_that_could_not_be(uses: KeyUses, sql: asyncpg.Connection) -> None:
    key_id = await add_key(sql)
    with capture_logs() as logged:
        await sql.execute("ALTER TABLE api_keys RENAME TO away")
        await uses.use(key_id)
        await uses.watch.has_noted(1)
        await sql.execute("ALTER TABLE away RENAME TO api_keys")

        await uses.use(key_id, after_seconds=60)
        await uses.is_written_at_last(key_id)

    assert logged == []


@asynccontextmanager
async def kept_cache(surroundings: Surroundings) -> AsyncIterator[None]:
    async with running(cache_keeper(surroundings)[0].keep()):
        yield


@asynccontextmanager
async def written_use(surroundings: Surroundings) -> AsyncIterator[None]:
    lane = FastLane(surroundings.settings)
    usage = KeyUsage(CredentialRepository(lane), SystemClock())
    usage.note(uuid4())
    async with running(usage.keep_writing()):
        yield
    lane.close()


@asynccontextmanager
async def kept_house(surroundings: Surroundings) -> AsyncIterator[None]:
    async with running(housekeeper(surroundings).keep_house()):
        yield


@pytest.mark.parametrize(
    ("loop", "table", "event"),
    [
        (kept_fresh, "signing_keys", "signing_keys_not_read"),
        (kept_cache, "cache_leases", "cache_not_kept"),
        (written_use, "api_keys", "key_usage_not_written"),
        (kept_house, "throttles", "housekeeping_failed"),
    ],
)
async def test_mistake_in_a_loop_is_logged_and_does_not_end_it(
    surroundings: Surroundings,
    sql: asyncpg.Connection,
    loop: Callable[[Surroundings], AbstractAsyncContextManager[None]],
    table: str,
    event: str,
) -> None:
    await sql.execute(f"ALTER TABLE {table} RENAME TO stored")
    await sql.execute(f"CREATE VIEW {table} AS SELECT * FROM stored WHERE 1 / 0 = 1 WITH LOCAL CHECK OPTION")  # noqa: S608 - our own

    with capture_logs() as logged:

        async def is_logged() -> bool:
            return event in {line["event"] for line in logged}

        async with loop(surroundings):
            await eventually(is_logged)

    assert {(line["log_level"], line["exc_info"]) for line in logged if line["event"] == event} == {("error", True)}


async def test_cache_is_bypassed_without_a_traceback_while_the_database_is_away(emptiness: Surroundings) -> None:
    with capture_logs() as logged:
        async with kept_cache(emptiness):
            await emptiness.watch.has_noted(ROUNDS)

    assert [line["event"] for line in logged] == ["cache_bypassed"]


async def test_numbers_are_refreshed_after_each_pause_and_when_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "REFRESH_SECONDS", 0.05)
    numbers, watch = Metrics(), Watch()

    def read() -> float:
        watch.note()
        return 1

    numbers.gauge("of_the_test", "Of the test.", read)

    async with running(numbers.keep_fresh()):
        await watch.has_noted(ROUNDS)
        assert min(watch.pauses) >= 0.05
        refreshed = len(watch.instants)

    assert len(watch.instants) == refreshed + 1
