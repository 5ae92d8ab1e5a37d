"""What is remembered, for how long, and what may not be kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import ACCESS_CHANNEL, DirectLine, FastLane, Primary
from cms_service.core.dependencies import SystemClock
from cms_service.core.security import SubjectType
from cms_service.repositories import (
    Change,
    CredentialRepository,
    HearingRepository,
    HeldRole,
    LeaseRepository,
    News,
    RoleClosure,
    SessionFacts,
    Subject,
    SubjectRepository,
)
from cms_service.services import AccessMemory, AccessReader, CacheKeeper, Hearing
from cms_service.services.shelf import Shelf
from tests.clocks import SetClock
from tests.eventually import eventually
from tests.fixtures import DatabaseFactory, service_environ

ROLE, PARENT = uuid4(), uuid4()
CLOSURES = {ROLE: RoleClosure(frozenset([ROLE, PARENT]), frozenset(["articles:read"]))}


def subject(subject_id: UUID | None = None, **window: float | None) -> Subject:
    ends = {"not_before": None, "expires_at": None} | window
    return Subject(subject_id or uuid4(), frozenset(["ada@example.org"]), [HeldRole(ROLE, None, **ends)])


@pytest.fixture
def clock() -> SetClock:
    return SetClock(1_000.0)


@pytest.fixture
def memory(clock: SetClock) -> AccessMemory:
    memory = AccessMemory(3, clock)
    memory.trust(clock.seconds + 3_600, 0)
    return memory


def test_windows_open_and_close_by_themselves(memory: AccessMemory, clock: SetClock) -> None:
    ada = subject(not_before=1_010.0, expires_at=1_020.0)
    memory.keep(SubjectType.user, ada, CLOSURES)
    held = []
    for clock.seconds in (1_009.9, 1_010.0, 1_019.9, 1_020.0):
        rights = memory.rights_of(SubjectType.user, ada.id)
        assert rights is not None
        held.append(bool(rights.everywhere))
    assert held == [False, True, True, False]


def test_nothing_is_remembered_for_longer_than_half_a_minute(memory: AccessMemory, clock: SetClock) -> None:
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    clock.seconds += 29.9
    assert memory.rights_of(SubjectType.user, ada.id) is not None
    clock.seconds += 0.1
    assert memory.rights_of(SubjectType.user, ada.id) is None


def test_only_so_many_are_remembered_and_the_last_used_stay(memory: AccessMemory) -> None:
    subjects = [subject() for _ in range(4)]
    for each in subjects[:3]:
        memory.keep(SubjectType.user, each, CLOSURES)
    memory.rights_of(SubjectType.user, subjects[0].id)
    memory.keep(SubjectType.user, subjects[3], CLOSURES)
    assert [memory.rights_of(SubjectType.user, each.id) is not None for each in subjects] == [True, False, True, True]
    for _ in range(10):
        memory.sessions.put(uuid4(), SessionFacts(uuid4(), 2_000))
    assert len(memory.sessions) == 3


@pytest.mark.parametrize("role_id", [ROLE, PARENT])
def test_change_of_a_role_reaches_all_who_inherit_it(memory: AccessMemory, role_id: UUID) -> None:
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    assert memory.rights_of(SubjectType.user, ada.id) is not None
    memory.forget([Change("role", uuid4())])
    assert memory.rights_of(SubjectType.user, ada.id) is not None
    memory.forget([Change("role", role_id)])
    assert memory.rights_of(SubjectType.user, ada.id) is None


def test_user_is_no_service_account(memory: AccessMemory) -> None:
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    assert memory.rights_of(SubjectType.service, ada.id) is None


def test_what_is_not_known_makes_all_be_forgotten(memory: AccessMemory) -> None:
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    memory.forget([Change("of a newer version", uuid4())])
    assert memory.rights_of(SubjectType.user, ada.id) is None


def test_nothing_at_all_is_left_when_all_is_forgotten(memory: AccessMemory) -> None:
    shelves = {name: shelf for name, shelf in vars(memory).items() if isinstance(shelf, Shelf)}
    assert len(shelves) == 7
    for shelf in shelves.values():
        shelf.put("key", "value")

    generation = memory.generation
    memory.forget_all()

    assert not memory.is_current(generation)
    assert {name: len(shelf) for name, shelf in shelves.items()} == dict.fromkeys(shelves, 0)


def test_what_was_read_while_something_changed_is_not_kept(memory: AccessMemory, clock: SetClock) -> None:
    generation = memory.generation
    assert memory.is_current(generation)
    memory.forget([Change("session", uuid4())])
    assert not memory.is_current(generation)
    generation = memory.generation
    clock.seconds += 3_600  # The lease has run out.
    assert not memory.is_trusted
    assert not memory.is_current(generation)


class Cache:
    """One process's memory with its keeper, in this process."""

    def __init__(self, settings: Settings, *, lease_seconds: float = 1.0) -> None:
        clock = SystemClock()
        self.lane = FastLane(settings)
        self.memory = AccessMemory(1_000, clock)
        self.reader = AccessReader(self.memory, SubjectRepository(self.lane), CredentialRepository(self.lane))
        self.hearing = Hearing(self.lane, 1.0, SystemClock())
        self.keeper = CacheKeeper(
            self.memory,
            partial(DirectLine.open, settings, ACCESS_CHANNEL, lease_seconds),
            lease_seconds,
            clock,
            Primary(),
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.keeper.keep())

        async def is_trusted() -> bool:
            return self.memory.is_trusted

        await eventually(is_trusted)

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.lane.close()


@asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[Cache]:
    await cache.start()
    try:
        yield cache
    finally:
        await cache.stop()


@pytest.fixture
async def cache(settings: Settings) -> AsyncIterator[Cache]:
    async with running(Cache(settings)) as cache:
        yield cache


@pytest.fixture
async def user_id(db: asyncpg.Connection) -> UUID:
    user_id = uuid4()
    email = f"{user_id}@example.org"
    await db.execute("INSERT INTO users (id, email, display_name) VALUES ($1, $2, '')", user_id, email)
    return user_id


async def test_warm_reads_touch_no_database(settings: Settings, user_id: UUID) -> None:
    # A renewal may come seconds late before anybody has to ask again.
    async with running(Cache(settings, lease_seconds=10.0)) as cache:

        async def is_remembered() -> bool:
            await cache.reader.find_rights(SubjectType.user, user_id)
            return cache.memory.rights_of(SubjectType.user, user_id) is not None

        await eventually(is_remembered)
        cache.lane.close()
        cache.lane.fetch_row = None  # type: ignore[assignment,method-assign]  # Whoever asks the database fails.
        for _ in range(100):
            assert await cache.reader.find_rights(SubjectType.user, user_id) is not None


async def test_change_is_waited_for_until_it_is_forgotten(cache: Cache, db: asyncpg.Connection, user_id: UUID) -> None:
    for _ in range(20):
        await db.execute("UPDATE users SET is_active = true WHERE id = $1", user_id)
        assert await eventually_rights(cache, user_id)
        await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)
        await cache.hearing.complete(None)
        assert await cache.reader.find_rights(SubjectType.user, user_id) is None


async def eventually_rights(cache: Cache, user_id: UUID) -> bool:
    async def has_rights() -> bool:
        return await cache.reader.find_rights(SubjectType.user, user_id) is not None

    await eventually(has_rights)
    return True


@pytest.fixture
async def other(settings: Settings) -> Any:
    """The lease of another process, which says what the test lets it say."""
    async with DirectLine.open(settings, ACCESS_CHANNEL, 10.0) as line:
        other = Other(LeaseRepository(line))
        yield other
        await other.leases.give_back(other.id)


class Other:
    def __init__(self, leases: LeaseRepository) -> None:
        self.leases = leases
        self.id = uuid4()

    async def renew(self, seen: str | None = None, seconds: float = 60) -> News:
        return await self.leases.renew(self.id, timedelta(seconds=seconds), seen or (await self.leases.begin())[0])


async def is_waited_for(cache: Cache, known: str | None = None) -> bool:
    """Whether a change waits, of those that are visible in `known`, else of those that are visible now."""
    return (await HearingRepository(cache.lane).ask(known)).seconds is not None


async def test_change_is_unheard_until_it_is_acknowledged(
    cache: Cache, other: Other, db: asyncpg.Connection, user_id: UUID
) -> None:
    before = (await other.leases.begin())[0]
    await other.renew(before)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)

    news = await other.renew(before)

    assert Change("principal", user_id) in (news.changes or [])
    # It was told, but has not said yet that it has forgotten.
    assert await is_waited_for(cache)
    assert (await other.renew(news.snapshot)).changes == []
    await cache.hearing.complete(None)
    assert not await is_waited_for(cache)


async def test_change_does_not_wait_for_those_who_have_not_heard_of_a_later_one(
    cache: Cache, other: Other, db: asyncpg.Connection, user_id: UUID
) -> None:
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)
    known = (await other.leases.begin())[0]
    await other.renew(known)
    await cache.hearing.complete(None)

    await db.execute("UPDATE users SET is_active = true WHERE id = $1", user_id)

    assert await is_waited_for(cache)
    assert not await is_waited_for(cache, known)


async def test_nobody_is_waited_for_when_the_lease_has_run_out(
    cache: Cache, other: Other, db: asyncpg.Connection, user_id: UUID
) -> None:
    await other.renew(seconds=0)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)

    await cache.hearing.complete(None)

    assert not await is_waited_for(cache)


async def test_everybody_waits_for_who_is_deaf_and_only_while_its_lease_lasts(
    cache: Cache, other: Other, db: asyncpg.Connection, user_id: UUID
) -> None:
    before = (await other.leases.begin())[0]
    await other.renew(before)
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)
    # So does who repeats a request that was not answered, though the repetition changes nothing.
    waiting = [asyncio.create_task(cache.hearing.complete(None)) for _ in range(10)]
    for _ in range(20):
        await other.leases.begin()
        assert await is_waited_for(cache)
    assert not any(task.done() for task in waiting)

    # Longer than a lease of those who wait, and shorter than what was asked for at first.
    await other.renew(before, seconds=1.2)
    await asyncio.gather(*waiting)

    assert await db.fetchval("SELECT expires_at <= clock_timestamp() FROM cache_leases WHERE id = $1", other.id)


async def test_lease_that_is_given_back_holds_up_nobody(
    cache: Cache, other: Other, db: asyncpg.Connection, user_id: UUID
) -> None:
    await other.renew()
    await db.execute("UPDATE users SET is_active = false WHERE id = $1", user_id)
    await other.leases.give_back(other.id)
    await cache.hearing.complete(None)


async def test_change_that_names_a_transaction_to_come_is_none(
    cache: Cache, other: Other, db: asyncpg.Connection
) -> None:
    """As a dump of another cluster brings it."""
    await db.execute(
        "INSERT INTO access_changes (xid, kind) SELECT CAST((CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
        " + 1000000)::text AS xid8), 'session'"
    )
    try:
        before = (await other.leases.begin())[0]
        assert all(change.subject_id.int for change in (await other.renew(before)).changes or [])
    finally:
        await db.execute("DELETE FROM access_changes WHERE subject_id = CAST($1 AS uuid)", UUID(int=0))


@pytest.mark.parametrize("table", ["user_roles", "role_permissions"])
async def test_what_is_truncated_is_told(other: Other, db: asyncpg.Connection, table: str) -> None:
    before = (await other.leases.begin())[0]
    transaction = db.transaction()
    await transaction.start()
    await db.execute(f"TRUNCATE {table}")
    kinds = await db.fetch("SELECT kind FROM access_changes WHERE xid = pg_current_xact_id_if_assigned()")
    await transaction.rollback()
    assert [row["kind"] for row in kinds] == ["everything"]
    await other.renew(before)


def test_lease_counts_from_before_it_was_asked_for(memory: AccessMemory, clock: SetClock) -> None:
    keeper = CacheKeeper(memory, nobody, 10.0, clock, Primary())
    memory.distrust()
    clock.seconds = 1_006.0
    keeper._learn(News([], "1:1:", 5_000.0), 1_002.0)
    assert memory.now() == 5_002.0  # It was told half-way between asking and hearing.
    clock.seconds = 1_011.9
    assert memory.is_trusted
    clock.seconds = 1_012.0
    assert not memory.is_trusted


def test_everything_is_forgotten_when_there_is_too_much_to_tell(memory: AccessMemory, clock: SetClock) -> None:
    keeper = CacheKeeper(memory, nobody, 10.0, clock, Primary())
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    keeper._learn(News([], "1:1:", 0.0), clock.seconds)
    assert memory.rights_of(SubjectType.user, ada.id) is not None
    keeper._learn(News(None, "1:1:", 0.0), clock.seconds)
    assert memory.rights_of(SubjectType.user, ada.id) is None


@pytest.mark.parametrize(
    ("instead", "is_logged"),
    [("SELECT 1", False), ("CREATE VIEW cache_leases AS SELECT * FROM stored WHERE 1 / 0 = 1", True)],
)
async def test_change_is_answered_when_every_lease_has_run_out_although_nobody_can_be_asked(
    fresh_database: DatabaseFactory, instead: str, is_logged: bool
) -> None:
    """Whatever the reason is. Only a mistake of the service itself is logged here."""
    database = await fresh_database()
    connection = await database.connect()
    await connection.execute(f"ALTER TABLE cache_leases RENAME TO stored; {instead}")
    await connection.close()
    lane, clock = FastLane(load_settings(service_environ(database))), SystemClock()
    began_at = clock.steady()

    with capture_logs() as logged:
        await Hearing(lane, 0.2, clock).complete(None)

    assert clock.steady() - began_at >= 0.2
    assert ("hearing_not_asked" in {line["event"] for line in logged}) == is_logged
    lane.close()


def test_who_heard_too_late_knows_nothing_any_more(memory: AccessMemory, clock: SetClock) -> None:
    """Others may have stopped waiting for it, and changed what no news tells of."""
    keeper = CacheKeeper(memory, nobody, 10.0, clock, Primary())
    ada = subject()
    memory.keep(SubjectType.user, ada, CLOSURES)
    keeper._learn(News([], "1:1:", 0.0), clock.seconds)
    assert memory.rights_of(SubjectType.user, ada.id) is not None
    clock.seconds += 10.0
    keeper._learn(News([], "1:1:", 0.0), clock.seconds)
    assert memory.rights_of(SubjectType.user, ada.id) is None


def nobody() -> Any:
    raise AssertionError("no line is needed here")
