"""What is remembered, for how long, and what may not be kept."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import ACCESS_CHANNEL, DirectLine, FastLane
from cms_service.core.dependencies import SystemClock
from cms_service.core.security import SubjectType
from cms_service.repositories import (
    Change,
    CredentialRepository,
    HeldRole,
    LeaseRepository,
    RoleClosure,
    SessionFacts,
    Subject,
    SubjectRepository,
)
from cms_service.services import AccessMemory, AccessReader, CacheKeeper, Propagation
from tests.eventually import eventually

ROLE, PARENT = uuid4(), uuid4()
CLOSURES = {ROLE: RoleClosure(frozenset([ROLE, PARENT]), frozenset(["articles:read"]))}


class SetClock(SystemClock):
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def steady(self) -> float:
        return self.seconds


def subject(subject_id: UUID | None = None, **window: float | None) -> Subject:
    ends = {"not_before": None, "expires_at": None} | window
    return Subject(subject_id or uuid4(), (None, "ada@example.org"), [HeldRole(ROLE, None, **ends)])


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def memory(clock: SetClock) -> AccessMemory:
    memory = AccessMemory(3, clock)
    memory.trust(clock.seconds + 3_600, 0)
    return memory


def test_windows_open_and_close_by_themselves(memory: AccessMemory, clock: SetClock) -> None:
    ada = subject(not_before=1_010.0, expires_at=1_020.0)
    memory.keep(ada, CLOSURES)
    held = []
    for clock.seconds in (1_009.9, 1_010.0, 1_019.9, 1_020.0):
        rights = memory.rights_of(ada.id)
        assert rights is not None
        held.append(bool(rights.everywhere))
    assert held == [False, True, True, False]


def test_nothing_is_remembered_for_longer_than_half_a_minute(memory: AccessMemory, clock: SetClock) -> None:
    ada = subject()
    memory.keep(ada, CLOSURES)
    clock.seconds += 29.9
    assert memory.rights_of(ada.id) is not None
    clock.seconds += 0.1
    assert memory.rights_of(ada.id) is None


def test_only_so_many_are_remembered_and_the_last_used_stay(memory: AccessMemory) -> None:
    subjects = [subject() for _ in range(4)]
    for each in subjects[:3]:
        memory.keep(each, CLOSURES)
    memory.rights_of(subjects[0].id)
    memory.keep(subjects[3], CLOSURES)
    assert [memory.rights_of(each.id) is not None for each in subjects] == [True, False, True, True]
    for _ in range(10):
        memory.sessions.put(uuid4(), SessionFacts(uuid4(), 2_000))
    assert len(memory.sessions) == 3


@pytest.mark.parametrize("role_id", [ROLE, PARENT])
def test_change_of_a_role_reaches_all_who_inherit_it(memory: AccessMemory, role_id: UUID) -> None:
    ada = subject()
    memory.keep(ada, CLOSURES)
    assert memory.rights_of(ada.id) is not None
    memory.forget([Change("role", uuid4())])
    assert memory.rights_of(ada.id) is not None
    memory.forget([Change("role", role_id)])
    assert memory.rights_of(ada.id) is None


def test_what_is_not_known_makes_all_be_forgotten(memory: AccessMemory) -> None:
    ada = subject()
    memory.keep(ada, CLOSURES)
    memory.forget([Change("of a newer version", uuid4())])
    assert memory.rights_of(ada.id) is None


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

    def __init__(self, settings: Settings, clock: SystemClock | None = None) -> None:
        clock = clock or SystemClock()
        self.lane = FastLane(settings)
        self.memory = AccessMemory(1_000, clock)
        self.reader = AccessReader(self.memory, SubjectRepository(self.lane), CredentialRepository(self.lane))
        self.propagation = Propagation(self.lane, 1.0, SystemClock())
        self.keeper = CacheKeeper(self.memory, lambda: DirectLine.open(settings, ACCESS_CHANNEL, 1.0), 1.0, clock)
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


@pytest.fixture
async def cache(settings: Settings) -> Any:
    cache = Cache(settings)
    await cache.start()
    yield cache
    await cache.stop()


@pytest.fixture
async def user_id(db: asyncpg.Connection) -> UUID:
    user_id = uuid4()
    email = f"{user_id}@example.org"
    await db.execute("INSERT INTO users (id, email, display_name) VALUES ($1, $2, '')", user_id, email)
    return user_id


async def test_warm_reads_touch_no_database(cache: Cache, user_id: UUID) -> None:
    assert await cache.reader.find_rights(SubjectType.user, user_id) is not None
    cache.lane.close()
    cache.lane.fetch_row = None  # type: ignore[assignment,method-assign]  # Whoever asks the database fails.
    for _ in range(100):
        assert await cache.reader.find_rights(SubjectType.user, user_id) is not None


async def test_change_is_waited_for_until_it_is_forgotten(cache: Cache, db: asyncpg.Connection, user_id: UUID) -> None:
    for _ in range(20):
        await db.execute("UPDATE users SET is_active = true WHERE id = $1", user_id)
        assert await eventually_rights(cache, user_id)
        xid = await db.fetchval(
            "WITH change AS (UPDATE users SET is_active = false WHERE id = $1) SELECT pg_current_xact_id()::text",
            user_id,
        )
        await cache.propagation.complete(int(xid))
        assert await cache.reader.find_rights(SubjectType.user, user_id) is None


async def eventually_rights(cache: Cache, user_id: UUID) -> bool:
    async def has_rights() -> bool:
        return await cache.reader.find_rights(SubjectType.user, user_id) is not None

    await eventually(has_rights)
    return True


async def test_lease_that_nobody_renews_is_waited_for_and_no_longer(
    cache: Cache, db: asyncpg.Connection, user_id: UUID, settings: Settings
) -> None:
    """As long as it lasts, though its cache says nothing; nobody waits for one that was given back."""
    async with DirectLine.open(settings, ACCESS_CHANNEL, 1.0) as line:
        leases, lease_id = LeaseRepository(line), uuid4()
        await leases.renew(lease_id, timedelta(seconds=60), await leases.snapshot())
        xid = int(
            await db.fetchval(
                "WITH change AS (UPDATE users SET is_active = false WHERE id = $1) SELECT pg_current_xact_id()::text",
                user_id,
            )
        )
        waiting = asyncio.create_task(cache.propagation.complete(xid))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await leases.give_back(lease_id)
        await waiting
        assert await cache.propagation._hearing.is_heard(xid)


async def test_process_that_stood_still_for_longer_than_its_lease_knows_nothing_any_more(
    settings: Settings, user_id: UUID
) -> None:
    clock = SystemClock()
    cache = Cache(settings, clock)
    await cache.start()
    await cache.reader.find_rights(SubjectType.user, user_id)
    assert cache.memory.rights_of(user_id) is not None
    generation = cache.memory.generation
    cache.memory.distrust()  # What the clock does when nothing else happens.

    async def is_trusted() -> bool:
        return cache.memory.is_trusted

    await eventually(is_trusted)
    assert cache.memory.generation > generation
    assert cache.memory.rights_of(user_id) is None
    await cache.stop()
