"""Thousands of questions to every worker of two replicas, while what is asked about changes: not one wrong answer."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from itertools import count, cycle
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from tests.api.cluster import BEGIN_SECONDS, MOST_CONNECTIONS, WORKERS, busy_workers, running_replicas
from tests.api.metrics_page import TOKEN, scrape
from tests.fixtures import Caller, Database, Register, Service, make_reachable_directory
from tests.revocation.faults import TROUBLES, Proxy, socket_of
from tests.revocation.wire import Wire

LEAST_REQUESTS = 10_000
LEAST_CHANGES = 100
CLIENTS = 12
CHANGERS = 3
SUBJECTS = 24
WIRES = 12
"""To each replica, or more if need be: every worker has some."""
EVALUATION = "/api/v1/access/evaluation"
GUARDED = "/api/v1/permissions?limit=1"
PERMISSION = "permissions:read"


class Subject:
    """A user with a role of its own, and whether it may read permissions by now."""

    def __init__(self, caller: Caller, role_id: str, parent_id: str) -> None:
        self.caller = caller
        self.role_id = role_id
        self.parent_id = parent_id
        self.has_session = True
        self.may = True
        self.version = 0
        """Odd while a change is under way."""


class Ledger:
    """What was asked and answered."""

    def __init__(self) -> None:
        self.requests = 0
        self.denials = 0
        self.changes: list[float] = []
        """How long the answer to each took, in seconds."""
        self.wrong_allows: list[str] = []
        self.wrong_refusals: list[str] = []
        self.failures: list[str] = []
        self.is_long = asyncio.Event()

    def count(self, *, is_allowed: bool) -> None:
        self.requests += 1
        self.denials += not is_allowed
        if self.requests >= LEAST_REQUESTS and len(self.changes) >= LEAST_CHANGES:
            self.is_long.set()

    def __str__(self) -> str:
        percentiles = quantiles(self.changes, n=100)
        return (
            f"{self.requests} requests, {self.denials} denied, {len(self.changes)} changes, answered after"
            f" p50 {percentiles[49] * 1000:.1f} ms, p99 {percentiles[98] * 1000:.1f} ms;"
            f" wrong allows {len(self.wrong_allows)}, wrong refusals {len(self.wrong_refusals)},"
            f" 5xx {len(self.failures)}"
        )


class World:
    """Those who ask, and those who are asked about."""

    def __init__(self, admin: Caller, subjects: list[Subject], wires: list[Wire], permission_id: str) -> None:
        self.admin = admin
        self.subjects = subjects
        self.wires = wires
        self.permission_id = permission_id
        self.ledger = Ledger()

    async def ask(self, wire: Wire, subject: Subject, *, is_caller: bool = False) -> None:
        """Judged by what was certain when it was sent, unless that has changed before it was answered.

        The subject asks itself where `is_caller`, and now and then else.
        """
        version, may = subject.version, subject.may
        if is_caller or (subject.has_session and self.ledger.requests % 4 == 0):
            answer = await wire.send("GET", GUARDED, subject.caller.access_token)
            is_allowed = answer.status == 200
        else:
            answer = await wire.send("POST", EVALUATION, self.admin.access_token, question_about(subject))
            is_allowed = answer.status == 200 and answer.json()["decision"]
        said = f"{subject.caller.id}, who may: {may}: {answer.status} {answer.body[:200]!r}"
        ledger = self.ledger
        ledger.count(is_allowed=is_allowed)
        if answer.status >= 500:
            ledger.failures.append(said)
        elif version % 2 == 0 and subject.version == version and is_allowed != may:
            (ledger.wrong_allows if is_allowed else ledger.wrong_refusals).append(said)

    async def change(self, way: "Change", subject: Subject) -> None:
        """Once the change is answered, every worker is asked at once.

        Callers ask just before, too: the workers recognise them then.
        """
        method, path, body = way(self, subject)
        if subject.has_session:
            await asyncio.gather(*(self.ask(wire, subject, is_caller=True) for wire in self.wires))
        wire = random.choice(self.wires)  # noqa: S311 - no secret
        subject.version += 1
        started_at = time.perf_counter()
        answer = await wire.send(method, f"/api/v1{path}", self.admin.access_token, body)
        self.ledger.changes.append(time.perf_counter() - started_at)
        assert answer.status < 300, (method, path, answer)
        subject.may = not subject.may
        subject.version += 1
        if subject.has_session:
            await asyncio.gather(*(self.ask(wire, subject, is_caller=True) for wire in self.wires))
        await asyncio.gather(*(self.ask(wire, subject) for wire in self.wires))


def question_about(subject: Subject) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": subject.caller.id},
        "action": {"name": "read"},
        "resource": {"type": "permissions", "id": "any"},
    }


def by_assignment(_: World, subject: Subject) -> tuple[str, str, Any]:
    return "DELETE" if subject.may else "PUT", f"/users/{subject.caller.id}/roles/{subject.role_id}", None


def by_window(_: World, subject: Subject) -> tuple[str, str, Any]:
    window = {"expires_at": "2020-01-01T00:00:00Z"} if subject.may else {}
    return "PUT", f"/users/{subject.caller.id}/roles/{subject.role_id}", window


def by_permission(world: World, subject: Subject) -> tuple[str, str, Any]:
    path = f"/roles/{subject.parent_id}/permissions/{world.permission_id}"
    return "DELETE" if subject.may else "PUT", path, None


def by_parent(_: World, subject: Subject) -> tuple[str, str, Any]:
    return "PUT", f"/roles/{subject.role_id}/parents", {"parent_ids": [] if subject.may else [subject.parent_id]}


def by_activity(_: World, subject: Subject) -> tuple[str, str, Any]:
    return "POST", f"/users/{subject.caller.id}/{'deactivate' if subject.may else 'activate'}", None


Change: TypeAlias = Callable[[World, Subject], tuple[str, str, Any]]
WAYS: list[Change] = [by_assignment, by_window, by_permission, by_parent]


async def keep_changing(world: World, subjects: list[Subject], is_over: asyncio.Event) -> None:
    """To and fro, so that everybody may again in the end."""
    turns = count()
    for subject in cycle(subjects):
        # Whoever is deactivated loses the session for good, and is only asked about.
        way = WAYS[next(turns) % len(WAYS)] if subject.has_session else by_activity
        await world.change(way, subject)
        await asyncio.sleep(0.05)
        await world.change(way, subject)
        if is_over.is_set():
            return


async def keep_asking(world: World, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await world.ask(random.choice(world.wires), random.choice(world.subjects))  # noqa: S311 - no secret


@pytest.fixture(scope="module")
async def proxy(database: Database) -> AsyncIterator[Proxy]:
    proxy = Proxy(make_reachable_directory(), Path(socket_of(database)))
    await proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
async def replicas(
    database: Database, service: Service, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[Service]]:
    """Their listeners go through the proxy, and nothing else does."""
    direct_url = proxy.url_of(database)
    settings = {"database_direct_url": direct_url, "metrics_token": TOKEN}
    async with running_replicas(database, service, tmp_path_factory, **settings) as running:
        yield running


@pytest.fixture(scope="module")
async def world(admin: Caller, register: Register, replicas: list[Service]) -> AsyncIterator[World]:
    permission_id = (await admin.get("/api/v1/permissions", params={"q": PERMISSION})).json()["items"][0]["id"]
    subjects = [await make_subject(admin, await register(), permission_id) for _ in range(SUBJECTS)]
    for subject in subjects[::4]:
        subject.has_session = False
    wires = [wire for replica in replicas for wire in await open_wires(replica)]
    yield World(admin, subjects, wires, permission_id)
    for wire in wires:
        wire.close()


async def open_wires(replica: Service) -> list[Wire]:
    opened: list[Wire] = []
    while len(opened) < WIRES or busy_workers(replica) < WORKERS:
        assert len(opened) < MOST_CONNECTIONS, f"all to one worker:\n{replica.log.read_text()}"
        if len(opened) >= WIRES:
            await asyncio.sleep(BEGIN_SECONDS)
        wire = await Wire.open(replica.port)
        assert (await wire.send("GET", "/health/live", "nobody")).status == 200
        opened.append(wire)
    return opened


async def make_subject(admin: Caller, caller: Caller, permission_id: str) -> Subject:
    """The user has a role, which inherits another, which holds the permission."""
    parent_id = await make_role(admin, permission_ids=[permission_id])
    role_id = await make_role(admin, parent_ids=[parent_id])
    response = await admin.put(f"/api/v1/users/{caller.id}/roles/{role_id}")
    assert response.is_success, response.text
    return Subject(caller, role_id, parent_id)


async def make_role(admin: Caller, **members: list[str]) -> str:
    response = await admin.post("/api/v1/roles", {"name": f"role-{uuid4().hex}", "title": "Role", **members})
    assert response.status_code == 201, response.text
    role_id: str = response.json()["id"]
    return role_id


async def recognised(replicas: list[Service]) -> float:
    """How often the workers have recognised a caller without looking at its credential."""
    pages = [await scrape(replica) for replica in replicas]
    return sum(page.total("cms_access_cache_lookups_total", memory="callers", outcome="hit") for page in pages)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_no_answer_is_wrong_once_a_change_is_answered(
    trouble: str,
    world: World,
    replicas: list[Service],
    database: Database,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.ledger = ledger = Ledger()
    recognised_before = await recognised(replicas)
    is_over = asyncio.Event()
    shares = [world.subjects[index::CHANGERS] for index in range(CHANGERS)]
    async with TROUBLES[trouble](database, proxy), asyncio.TaskGroup() as tasks:
        for share in shares:
            tasks.create_task(keep_changing(world, share, is_over))
        for _ in range(CLIENTS):
            tasks.create_task(keep_asking(world, is_over))
        await ledger.is_long.wait()
        is_over.set()
    callers = await recognised(replicas) - recognised_before
    with capsys.disabled():
        print(f"\n{trouble}: {ledger}, recognised callers {callers:.0f}")  # noqa: T201 - figures for whoever looks
    assert ledger.failures == []
    assert ledger.wrong_allows == []
    assert ledger.wrong_refusals == []
    assert ledger.denials > LEAST_CHANGES
    assert callers > LEAST_CHANGES
