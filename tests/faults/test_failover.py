"""Connections of one replica lead to different servers: no decision is made from what was before."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.api.metrics_page import Scrape
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.faults.doomed import (
    GUARDED,
    ME,
    PERMISSIONS,
    Answers,
    Doomed,
    ask_all,
    can_write,
    make_doomed,
    new_permission,
    report,
    statuses_of,
)
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
LINE, LANE = "cms-service cache", "cms-service fast lane"


class Replica:
    """A service, and the address that leads it to its database."""

    def __init__(self, service: Service, address: Address, http: httpx.AsyncClient) -> None:
        self.service = service
        self.address = address
        self.http = http

    async def is_ready(self) -> bool:
        return (await self.http.get("/health/ready")).is_success


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
        await eventually(lambda: can_write(self.healthy.http, self.admin))
        await eventually(lambda: target.count_connections(LINE))

    async def recover(self, target: Node, doomed: list[Doomed]) -> float:
        """The address leads right again: how many seconds it takes until the replica writes."""
        self.astray.address.lead(target)
        self.astray.address.cut()
        started_at = time.monotonic()
        await eventually(lambda: can_write(self.astray.http, self.admin))
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
    """The old primary is not stopped, and goes on to accept writes."""
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


async def test_primary_is_found_among_several_hosts(lab: Lab, tmp_path: Path) -> None:
    """Whichever of them it is."""
    first, second = lab.pair.first, lab.pair.second
    url = f"postgresql://cms@/cms?host={second.socket},{first.socket}&port=5432,5432"
    environ = service_environ(first.database, **IMPATIENCE, database_url=url, public_url=lab.healthy.service.url)
    async with running_service(environ, tmp_path) as service, service.client() as http:
        assert await can_write(http, lab.admin)

        first.stop(how=signal.SIGQUIT)
        await second.promote()

        await eventually(lambda: can_write(http, lab.admin))


async def test_nothing_adds_up_when_the_synchronous_standby_is_lost(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    first = lab.pair.first
    await first.execute(
        "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()", database="postgres"
    )
    await eventually(lambda: first.fetchval("SELECT sync_state = 'sync' FROM pg_stat_replication"))
    assert await can_write(lab.healthy.http, lab.admin)
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
    await eventually(lambda: can_write(lab.healthy.http, lab.admin))
    with capsys.disabled():
        print(  # noqa: T201 - figures
            f"\nsynchronous standby lost: {before} connections, {while_idle} five seconds later, "
            f"{await first.count_connections()} after {len(writes)} writes answered 503"
        )


async def heard_at_of(http: httpx.AsyncClient) -> float:
    page = Scrape((await http.get("/metrics")).text)
    return page.total("cms_access_cache_heard_timestamp_seconds")
