"""Connections of one replica lead to different servers: no decision is made from what was before."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.credentials import login, session_id_of
from tests.api.machines import ACCOUNTS, machine
from tests.api.metrics_page import Scrape
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.factories import PermissionCreateFactory, RegisterRequestFactory
from tests.faults.replicated_postgres import Address, Node, Pair
from tests.fixtures import Caller, Service, make_reachable_directory, running_service, service_environ, sign_in

pytestmark = pytest.mark.fault

POOL_SIZE = 10
ROUNDS = 3
"""If each write left a connection behind, there would be more than any pool holds."""
IMPATIENCE = {
    "database_pool_size": str(POOL_SIZE),
    "database_pool_timeout_seconds": "3",
    "database_connect_timeout_seconds": "3",
    "database_command_timeout_seconds": "1.5",
}
USERS = "/api/v1/users"
PERMISSIONS = "/api/v1/permissions"
GUARDED = f"{PERMISSIONS}?limit=1"
ME = f"{USERS}/me"
LINE, LANE = "cms-service cache", "cms-service fast lane"
QUESTIONS = 50
"""Of each kind."""

Answers: TypeAlias = Counter[tuple[str, int]]
"""How often a kind of caller was answered with a status."""


class Doomed(msgspec.Struct, frozen=True):
    """A caller that may do something until that is ended."""

    what: str
    token: str
    path: str
    end_method: str
    end_path: str

    async def ask(self, http: httpx.AsyncClient) -> int:
        return (await http.get(self.path, headers={"Authorization": f"Bearer {self.token}"})).status_code

    async def end(self, admin: Caller) -> None:
        response = await admin.request(self.end_method, self.end_path, if_match="*")
        assert response.is_success, (self.what, response.text)


async def make_doomed(admin: Caller) -> list[Doomed]:
    """One of each kind."""
    role = await given.role(admin, "permissions:read")
    holder, signed_in, active = [await new_user(admin) for _ in range(3)]
    await given.assignment(admin, holder.id, role["id"])
    robot = await machine(admin, "permissions:read")
    session_id = session_id_of(signed_in.access_token)
    return [
        Doomed("role", holder.access_token, GUARDED, "DELETE", f"{USERS}/{holder.id}/roles/{role['id']}"),
        Doomed("session", signed_in.access_token, ME, "DELETE", f"{USERS}/{signed_in.id}/sessions/{session_id}"),
        Doomed("account", active.access_token, ME, "POST", f"{USERS}/{active.id}/deactivate"),
        Doomed("key", robot.key, GUARDED, "DELETE", f"{ACCOUNTS}/{robot.id}/keys/{robot.key_id}"),
    ]


async def new_user(admin: Caller) -> Caller:
    body = RegisterRequestFactory.build()
    response = await admin.http.post("/api/v1/auth/register", json=msgspec.to_builtins(body))
    assert response.status_code == 201, response.text
    return await sign_in(admin.http, body.email, body.password)


def new_permission() -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(PermissionCreateFactory.build())
    return body


async def ask_all(doomed: list[Doomed], http: httpx.AsyncClient, times: int = QUESTIONS) -> Answers:
    answers: Answers = Counter()
    for _ in range(times):
        statuses = await asyncio.gather(*(each.ask(http) for each in doomed))
        answers.update((each.what, status) for each, status in zip(doomed, statuses, strict=True))
    return answers


def statuses_of(answers: Answers) -> set[int]:
    return {status for _, status in answers}


class Replica:
    """A service, and the address that leads it to its database."""

    def __init__(self, service: Service, address: Address, http: httpx.AsyncClient) -> None:
        self.service = service
        self.address = address
        self.http = http

    async def is_ready(self) -> bool:
        return (await self.http.get("/health/ready")).is_success

    async def can_write(self, admin: Caller) -> bool:
        """By all connections: a write in a unit of work, and a sign-in on the fast lane."""
        headers = {"Authorization": f"Bearer {admin.access_token}"}
        written = await self.http.post(PERMISSIONS, json=new_permission(), headers=headers)
        signed_in = await login(self.http, admin.email, admin.password)
        statuses = {written.status_code, signed_in.status_code}
        assert statuses <= {200, 201, 503}, (written.text, signed_in.text)
        return statuses == {200, 201}


class Lab:
    """Two servers and two replicas. A test leads the connections of one astray; the other is always led right."""

    def __init__(self, pair: Pair, astray: Replica, healthy: Replica, admin: Caller) -> None:
        self.pair = pair
        self.astray = astray
        self.healthy = healthy
        self.admin = admin
        """Signed in at the healthy replica."""

    async def doomed(self) -> list[Doomed]:
        """Callers whom the replica that will be astray remembers."""
        doomed = await make_doomed(self.admin)
        assert statuses_of(await ask_all(doomed, self.astray.http, 2)) == {200}
        await self.pair.second.catch_up(self.pair.first)
        return doomed

    async def end(self, doomed: list[Doomed]) -> None:
        """Each end is answered when this returns."""
        await asyncio.gather(*(each.end(self.admin) for each in doomed))

    async def lead_healthy(self, target: Node) -> None:
        """A failover as it should be: all connections break, and new ones lead to the new primary."""
        self.healthy.address.lead(target)
        self.healthy.address.cut()
        await eventually(lambda: self.healthy.can_write(self.admin))
        await eventually(lambda: target.count_connections(LINE))

    async def recover(self, target: Node, doomed: list[Doomed]) -> float:
        """The address leads right again: how many seconds it takes until the replica writes."""
        self.astray.address.lead(target)
        self.astray.address.cut()
        started_at = time.monotonic()
        await eventually(lambda: self.astray.can_write(self.admin))
        seconds = time.monotonic() - started_at
        assert await self.astray.is_ready()
        assert statuses_of(await ask_all(doomed, self.astray.http, 2)) <= {401, 403}
        return seconds


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    pair = Pair(make_reachable_directory())
    try:
        await pair.start()
        async with AsyncExitStack() as stack:

            async def start(name: str, **overrides: str) -> Replica:
                address = await stack.enter_async_context(Address(pair.directory / name, pair.first))
                environ = service_environ(address.database, **IMPATIENCE, **overrides)
                service = await stack.enter_async_context(running_service(environ, tmp_path))
                return Replica(service, address, await stack.enter_async_context(service.client()))

            healthy = await start("healthy")
            astray = await start("astray", public_url=healthy.service.url)
            service = healthy.service
            admin = await sign_in(healthy.http, service.admin_email, service.admin_password)
            yield Lab(pair, astray, healthy, admin)
    finally:
        pair.stop()


async def test_nothing_is_decided_by_a_standby(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    doomed = await lab.doomed()
    await lab.pair.second.pause_replay()
    lab.astray.address.lead(lab.pair.second)
    lab.astray.address.cut()

    await lab.end(doomed)
    answers = await ask_all(doomed, lab.astray.http)
    readiness = await lab.astray.http.get("/health/ready")
    liveness = await lab.astray.http.get("/health/live")

    assert statuses_of(answers) == {503}
    assert code_of(readiness, 503) == "service_unavailable"
    assert "standby" in readiness.json()["detail"]
    assert liveness.status_code == 200
    report(capsys, "standby", answers, await lab.recover(lab.pair.first, doomed))


async def leave_unfenced(lab: Lab) -> None:
    """Nobody ends the old primary: it goes on to accept writes."""
    await lab.pair.second.promote()


async def demote(lab: Lab) -> None:
    """The old primary comes back as a standby, and lags behind."""
    old, new = lab.pair.first, lab.pair.second
    old.stop()
    await new.promote()
    await eventually(lambda: new.fetchval("SELECT NOT pg_is_in_recovery()"))
    await new.execute("CHECKPOINT", database="postgres")
    await old.rejoin(new)
    await old.pause_replay()


@pytest.mark.parametrize("switch_over", [leave_unfenced, demote])
async def test_nothing_is_decided_by_the_old_primary_when_only_the_line_has_moved(
    lab: Lab, switch_over: Callable[[Lab], Awaitable[None]], capsys: pytest.CaptureFixture[str]
) -> None:
    doomed = await lab.doomed()
    new = lab.pair.second
    await switch_over(lab)
    await lab.lead_healthy(new)
    lab.astray.address.lead(new, LINE)
    lab.astray.address.cut(LINE)

    async def has_moved() -> bool:
        return await new.count_connections(LINE) == 2

    await eventually(has_moved)

    await lab.end(doomed)
    answers = await ask_all(doomed, lab.astray.http)
    readiness = await lab.astray.http.get("/health/ready")

    assert statuses_of(answers) <= {401, 403, 503}
    assert code_of(readiness, 503) == "service_unavailable"
    report(capsys, switch_over.__name__, answers, await lab.recover(new, doomed))


async def test_change_is_answered_when_all_have_heard_although_a_standby_is_asked(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The replica commits on the primary, and has its fast lane on a standby, which knows of no change."""
    rounds = [await lab.doomed() for _ in range(3)]
    await lab.pair.second.pause_replay()
    admin = Caller(lab.astray.http, {"user": lab.admin.user, **tokens_of(lab.admin)}, lab.admin.password)
    assert (await admin.get(ME)).is_success
    lab.astray.address.lead(lab.pair.second, LANE)
    lab.astray.address.cut(LANE)

    answers: Answers = Counter()
    for doomed in rounds:
        for each in doomed:
            assert await each.ask(lab.healthy.http) == 200
            await each.end(admin)
            answers[each.what, await each.ask(lab.healthy.http)] += 1

    assert statuses_of(answers) <= {401, 403}
    report(capsys, "fast lane on a standby", answers, await lab.recover(lab.pair.first, rounds[0]))


def tokens_of(caller: Caller) -> dict[str, str]:
    return {"access_token": caller.access_token, "refresh_token": caller.refresh_token}


async def test_replica_goes_on_when_the_primary_has_crashed(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    doomed = await lab.doomed()
    await lab.end(doomed)
    await lab.pair.second.catch_up(lab.pair.first)

    lab.pair.first.stop(how=signal.SIGQUIT)
    during = await ask_all(doomed, lab.astray.http, 5)
    await lab.pair.second.promote()
    await lab.lead_healthy(lab.pair.second)

    assert statuses_of(during) <= {401, 403, 503}
    report(capsys, "crash", during, await lab.recover(lab.pair.second, doomed))


async def test_nothing_adds_up_when_the_synchronous_standby_is_lost(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    first = lab.pair.first
    await first.execute(
        "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()", database="postgres"
    )
    await eventually(lambda: first.fetchval("SELECT sync_state = 'sync' FROM pg_stat_replication"))
    assert await lab.healthy.can_write(lab.admin)
    lab.pair.second.stop()
    before = await first.count_connections()
    heard_at = await heard_at_of(lab.healthy.http)

    async def is_heard_for_seconds() -> bool:
        return await heard_at_of(lab.healthy.http) > heard_at + 5

    await eventually(is_heard_for_seconds)
    while_idle = await first.count_connections()
    writes = [
        response
        for _ in range(ROUNDS)
        for response in await asyncio.gather(*(lab.admin.post(PERMISSIONS, new_permission()) for _ in range(POOL_SIZE)))
    ]
    reads = [await lab.admin.get(path) for path in (ME, GUARDED)]

    assert while_idle <= before
    assert {code_of(response, 503) for response in writes} == {"service_unavailable"}
    assert [response.status_code for response in reads] == [200, 200]

    async def have_ended() -> bool:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return await first.fetchval(waiting) == 0 and await first.count_connections() <= before + POOL_SIZE

    await eventually(have_ended)
    await lab.pair.second.start()
    await eventually(lambda: lab.healthy.can_write(lab.admin))
    with capsys.disabled():
        print(  # noqa: T201 - figures
            f"\nsynchronous standby lost: {before} connections, {while_idle} five seconds later, "
            f"{await first.count_connections()} after {len(writes)} writes answered 503"
        )


async def heard_at_of(http: httpx.AsyncClient) -> float:
    page = Scrape((await http.get("/metrics")).text)
    return page.total("cms_access_cache_heard_timestamp_seconds")


def report(capsys: pytest.CaptureFixture[str], fault: str, answers: Answers, seconds: float) -> None:
    allowed = sum(count for (_, status), count in answers.items() if status < 300)
    told = ", ".join(f"{what} {status}: {count}" for (what, status), count in sorted(answers.items()))
    with capsys.disabled():
        print(f"\n{fault}: wrong allows {allowed} ({told}); writes are back after {seconds:.1f} s")  # noqa: T201 - figures
