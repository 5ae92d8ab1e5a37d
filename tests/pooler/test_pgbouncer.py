"""The service behind a pgbouncer in transaction mode: nothing fails, nothing is left behind, nothing is out of date."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import asyncpg
import httpx
import pytest

from tests.api import given
from tests.api.credentials import login, refresh
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.faults.doomed import Answers, ask_all, can_write, make_doomed, new_permission, new_user, report, statuses_of
from tests.faults.replicated_postgres import Node, Pair
from tests.fixtures import Caller, Service, make_reachable_directory, running_service, service_environ, sign_in
from tests.fixtures.pgbouncer import POOL_SIZE, PgBouncer

CALLERS = 16
ROUNDS = 12
IMPATIENCE = {
    "database_pool_timeout_seconds": "3",
    "database_connect_timeout_seconds": "3",
    "database_command_timeout_seconds": "1.5",
}
IS_STANDBY = "SELECT pg_is_in_recovery()::int"
LEFT_BEHIND = "SELECT count(*) FROM pg_prepared_statements WHERE pg_sleep(0.1) IS NOT NULL"

Use: TypeAlias = Callable[[Caller, Caller], Awaitable[httpx.Response]]
"""By a caller, with the help of an administrator."""


class Lab:
    """A primary and a standby, a pooler before the primary, and two replicas. One uses the pooler."""

    def __init__(self, pair: Pair, pooler: PgBouncer, pooled: Service, direct: Service, admin: Caller) -> None:
        self.pair = pair
        self.pooler = pooler
        self.pooled = pooled
        self.direct = direct
        self.admin = admin
        """Signed in at the replica that uses no pooler."""


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    pair = Pair(make_reachable_directory())
    try:
        await pair.start()
        database = pair.first.database
        pooler = PgBouncer(pair.directory / "pgbouncer", pair.first.socket)
        async with AsyncExitStack() as stack:
            stack.enter_context(pooler)
            environ = service_environ(database, **IMPATIENCE, database_url=database.url)
            direct = await stack.enter_async_context(running_service(environ, tmp_path))
            overrides = {
                "database_url": pooler.url_of(database.url),
                "database_direct_url": database.url,
                "public_url": direct.url,
            }
            environ = service_environ(database, **IMPATIENCE, **overrides)
            pooled = await stack.enter_async_context(running_service(environ, tmp_path))
            http = await stack.enter_async_context(direct.client())
            yield Lab(pair, pooler, pooled, direct, await sign_in(http, direct.admin_email, direct.admin_password))
    finally:
        pair.stop()


async def list_users(caller: Caller, _: Caller) -> httpx.Response:
    return await caller.get("/api/v1/users")


async def list_permissions(caller: Caller, _: Caller) -> httpx.Response:
    return await caller.get(f"/api/v1/users/{caller.id}/permissions")


async def read_own_account(caller: Caller, _: Caller) -> httpx.Response:
    return await caller.get("/api/v1/users/me")


async def write(caller: Caller, _: Caller) -> httpx.Response:
    return await caller.post("/api/v1/permissions", new_permission())


async def change_oneself(caller: Caller, _: Caller) -> httpx.Response:
    return await caller.patch("/api/v1/users/me", {"display_name": "Mae"}, if_match="*")


async def log_in(caller: Caller, _: Caller) -> httpx.Response:
    return await login(caller.http, caller.email, caller.password)


async def stay_signed_in(caller: Caller, _: Caller) -> httpx.Response:
    response = await refresh(caller.http, caller.refresh_token)
    caller.refresh_token = response.json().get("refresh_token", caller.refresh_token)
    return response


async def be_given_a_role(caller: Caller, admin: Caller) -> httpx.Response:
    """The change removes the caller from the memory of every worker."""
    role = await given.role(admin, "users:read")
    return await admin.put(f"/api/v1/users/{caller.id}/roles/{role['id']}", {})


USES: list[Use] = [
    list_users,
    list_permissions,
    read_own_account,
    write,
    change_oneself,
    log_in,
    stay_signed_in,
    be_given_a_role,
]


async def test_nothing_fails_and_nothing_is_left_behind_when_many_share_few_connections(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    async with lab.pooled.client() as http:
        admin = await sign_in(http, lab.pooled.admin_email, lab.pooled.admin_password)
        callers = [await new_user(admin) for _ in range(CALLERS)]
        chief = await given.role(admin, "*:*")
        for caller in callers:
            await given.assignment(admin, caller.id, chief["id"])

        async def go_on(caller: Caller, first: int) -> None:
            for number in range(first, first + ROUNDS):
                use = USES[number % len(USES)]
                statuses[use.__name__, (await use(caller, admin)).status_code] += 1

        await asyncio.gather(*(go_on(caller, number) for number, caller in enumerate(callers)))
    left_behind = await asyncio.gather(*(ask_pooler(lab, LEFT_BEHIND) for _ in range(POOL_SIZE)))

    assert {status for _, status in statuses} <= {200, 201}
    assert statuses.total() == CALLERS * ROUNDS
    assert left_behind == [0] * POOL_SIZE
    with capsys.disabled():
        print(f"\npgbouncer: {statuses.total()} requests of {CALLERS} callers, 0 errors, nothing left behind")  # noqa: T201 - figures


async def ask_pooler(lab: Lab, query: str) -> int:
    url = lab.pooler.url_of(lab.pair.first.database.url).replace("+asyncpg", "")
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        async with connection.transaction():
            count: int = await connection.fetchval(query)
            return count
    finally:
        await connection.close()


async def test_nothing_is_decided_by_a_standby_to_which_only_the_pooler_leads(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = lab.pair.first, lab.pair.second
    doomed = await make_doomed(lab.admin)
    admin_of_pooled = {"Authorization": f"Bearer {lab.admin.access_token}"}
    async with lab.pooled.client() as http:
        assert statuses_of(await ask_all(doomed, http, 2)) == {200}
        await second.catch_up(first)
        await second.pause_replay()
        await lead_pooler(lab, second)

        lists = [await http.get("/api/v1/users", headers=admin_of_pooled) for _ in range(3)]
        await asyncio.gather(*(each.end(lab.admin) for each in doomed))
        answers: Answers = await ask_all(doomed, http)
        readiness = await http.get("/health/ready")

        assert statuses_of(answers) <= {401, 403, 503}
        assert {code_of(response, 503) for response in lists} == {"service_unavailable"}
        assert "standby" in readiness.json()["detail"]
        started_at = time.monotonic()
        await lead_pooler(lab, first)
        await eventually(lambda: can_write(http, lab.admin))
        report(capsys, "pgbouncer to a standby", answers, time.monotonic() - started_at)
        assert (await http.get("/health/ready")).is_success
        assert statuses_of(await ask_all(doomed, http, 2)) <= {401, 403}


async def lead_pooler(lab: Lab, target: Node) -> None:
    """It ends the connections that it has, and all new ones lead there."""
    lab.pooler.lead(target.socket)

    async def leads_there() -> bool:
        return bool(await ask_pooler(lab, IS_STANDBY) == (target is lab.pair.second))

    await eventually(leads_there)
