"""PostgreSQL goes away in every way it can; the service says so, loses nothing, and recovers by itself."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
import msgspec
import pytest

from cms_service.core.database import upgrade
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.factories import PermissionCreateFactory, RegisterRequestFactory
from tests.faults.fragile_postgres import ROLE, FragilePostgres
from tests.fixtures import Caller, Service, production_environ, running_service, service_environ, sign_in

pytestmark = pytest.mark.fault

PERMISSIONS = "/api/v1/permissions"
REGISTER = "/api/v1/auth/register"
WRITERS = 4
IMPATIENCE = {
    "database_pool_timeout_seconds": "3",
    "database_connect_timeout_seconds": "3",
    "database_command_timeout_seconds": "1.5",
    # Every request to stay signed in presents the first token again, after faults that take some seconds.
    "refresh_grace_seconds": "60",
}
"""A request is answered soon although the database is away, and succeeds soon after it is back."""
SOON_SECONDS = 10


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    # Directly in /tmp, where `nobody` can reach it when root runs the tests.
    directory = Path(tempfile.mkdtemp(prefix="cms-fault-", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def postgres(directory: Path) -> AsyncIterator[FragilePostgres]:
    server = FragilePostgres(directory)
    server.start()
    await server.create_database()
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def service(postgres: FragilePostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all faults: it must survive them all, without a restart and without a traceback."""
    environ = service_environ(postgres.database, **IMPATIENCE)
    async with running_service(environ, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client(SOON_SECONDS) as client:
        yield client


@pytest.fixture
async def admin(http: httpx.AsyncClient, service: Service) -> Caller:
    return await sign_in(http, service.admin_email, service.admin_password)


async def requests(admin: Caller) -> list[httpx.Response]:
    """Of each kind one: by the reader, by a unit of work, with and without a credential, with a hash in between."""
    http = admin.http
    login = {"email": admin.email, "password": admin.password}
    return list(
        await asyncio.gather(
            admin.get("/api/v1/users/me"),
            admin.get("/api/v1/users"),
            admin.post(PERMISSIONS, msgspec.to_builtins(PermissionCreateFactory.build())),
            http.post(REGISTER, json=msgspec.to_builtins(RegisterRequestFactory.build())),
            http.post("/api/v1/auth/login", json=login),
            http.post("/api/v1/auth/refresh", json={"refresh_token": admin.refresh_token}),
        )
    )


def assert_unavailable(response: httpx.Response) -> None:
    assert code_of(response, 503) == "service_unavailable"
    assert int(response.headers["retry-after"]) > 0


async def is_alive(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/live")).is_success
    except httpx.TransportError:
        return False


async def is_ready(http: httpx.AsyncClient) -> bool:
    response = await http.get("/health/ready")
    if response.status_code != 200:
        assert_unavailable(response)
    return response.is_success


@asynccontextmanager
async def stopped(postgres: FragilePostgres) -> AsyncIterator[None]:
    postgres.crash()
    yield
    postgres.start()


@asynccontextmanager
async def frozen(postgres: FragilePostgres) -> AsyncIterator[None]:
    await postgres.freeze()
    yield
    postgres.thaw()


@asynccontextmanager
async def altered(postgres: FragilePostgres, what: str, back: str) -> AsyncIterator[None]:
    await postgres.execute(f"ALTER {what}")
    await postgres.kill_backends()
    yield
    await postgres.execute(f"ALTER {back}")


def full(postgres: FragilePostgres) -> AbstractAsyncContextManager[None]:
    return altered(postgres, f"ROLE {ROLE} CONNECTION LIMIT 0", f"ROLE {ROLE} CONNECTION LIMIT -1")


def locked_out(postgres: FragilePostgres) -> AbstractAsyncContextManager[None]:
    return altered(postgres, f"ROLE {ROLE} NOLOGIN", f"ROLE {ROLE} LOGIN")


def closed(postgres: FragilePostgres) -> AbstractAsyncContextManager[None]:
    return altered(postgres, f"DATABASE {ROLE} ALLOW_CONNECTIONS false", f"DATABASE {ROLE} ALLOW_CONNECTIONS true")


def read_only(postgres: FragilePostgres) -> AbstractAsyncContextManager[None]:
    setting = "default_transaction_read_only"
    return altered(postgres, f"DATABASE {ROLE} SET {setting} = on", f"DATABASE {ROLE} RESET {setting}")


Fault: TypeAlias = Callable[[FragilePostgres], AbstractAsyncContextManager[None]]


@pytest.mark.parametrize("fault", [stopped, frozen, full, locked_out, closed])
async def test_service_says_so_and_recovers_when_its_database_is_away(
    admin: Caller, postgres: FragilePostgres, fault: Fault
) -> None:
    await requests(admin)

    async with fault(postgres):
        first, second = await requests(admin), await requests(admin)
        is_still_ready = await is_ready(admin.http)
        others = [await admin.http.get(path) for path in ("/health/live", "/.well-known/jwks.json")]

    for response in first + second:
        assert_unavailable(response)
    assert not is_still_ready
    assert [response.status_code for response in others] == [200, 200]
    await eventually(lambda: is_ready(admin.http))
    assert all(response.is_success for response in await requests(admin))


async def test_nobody_notices_when_idle_connections_were_killed(admin: Caller, postgres: FragilePostgres) -> None:
    await requests(admin)

    await postgres.kill_backends()

    assert all(response.is_success for response in await requests(admin))


async def test_reading_goes_on_when_the_database_cannot_be_written(admin: Caller, postgres: FragilePostgres) -> None:
    async with read_only(postgres):
        get_me, list_users, *writes = await requests(admin)
    await postgres.kill_backends()

    assert (get_me.status_code, list_users.status_code) == (200, 200)
    for response in writes:
        assert_unavailable(response)
    assert all(response.is_success for response in await requests(admin))


class Ledger:
    """What the clients know of their writes."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.is_closed = False

    async def write_on(self, admin: Caller) -> None:
        while not self.is_closed:
            permission = PermissionCreateFactory.build()
            response = await admin.post(PERMISSIONS, msgspec.to_builtins(permission))
            self.statuses[response.status_code] += 1
            if response.is_success:
                self.acknowledged.add(permission.name)
            else:
                assert_unavailable(response)
                await asyncio.sleep(0.05)

    async def grow(self, status: int) -> None:
        """Returns when there have been some more of these answers."""
        enough = self.statuses[status] + 2 * WRITERS

        async def has_grown() -> bool:
            return self.statuses[status] >= enough

        await eventually(has_grown)


async def test_no_acknowledged_write_is_lost_or_doubled_whatever_happens(
    admin: Caller, postgres: FragilePostgres
) -> None:
    ledger = Ledger()
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(ledger.write_on(admin))
        for fault in (stopped, frozen, full):
            await ledger.grow(201)
            async with fault(postgres):
                await ledger.grow(503)
        for _ in range(3):
            await ledger.grow(201)
            await postgres.kill_backends()
        await ledger.grow(201)
        ledger.is_closed = True

    connection = await postgres.database.connect()
    written = [name for (name,) in await connection.fetch("SELECT name FROM permissions WHERE NOT is_system")]
    recorded = await connection.fetch("SELECT after->>'name' FROM audit_events WHERE action = 'permission.created'")
    await connection.close()
    assert ledger.statuses.keys() == {201, 503}
    assert ledger.acknowledged <= set(written)
    assert sorted(written) == sorted(name for (name,) in recorded), "each write and its record stand or fall together"


async def test_service_recovers_when_it_was_started_before_its_database(directory: Path, tmp_path: Path) -> None:
    late = directory / "late"
    late.mkdir(mode=0o711)
    postgres = FragilePostgres(late)
    service = Service(production_environ(postgres.database, registration="open"), tmp_path)
    account = msgspec.to_builtins(RegisterRequestFactory.build())

    async with service.client(SOON_SECONDS) as http:
        await eventually(lambda: is_alive(http))
        assert_unavailable(await http.post(REGISTER, json=account))
        postgres.start()
        assert_unavailable(await http.post(REGISTER, json=account))
        await postgres.create_database()
        assert_unavailable(await http.post(REGISTER, json=account))
        assert not await is_ready(http)

        await asyncio.to_thread(upgrade, postgres.database.url)

        assert (await http.post(REGISTER, json=account)).status_code == 201
        assert await is_ready(http)
        postgres.crash()
        assert_unavailable(await http.post(REGISTER, json=account))
    await service.stop()
    assert service.process.returncode == 0
    service.refuse_tracebacks()


async def test_request_is_finished_when_the_service_is_told_to_stop(postgres: FragilePostgres, tmp_path: Path) -> None:
    service = Service(service_environ(postgres.database), tmp_path)
    await service.wait_until_ready()
    blocking = await postgres.database.connect()

    async def is_waiting() -> bool:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'permissions'::regclass"
        return bool(await blocking.fetchval(waiting))

    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
        async with blocking.transaction():
            await blocking.execute("LOCK TABLE permissions IN SHARE MODE")
            writing = asyncio.create_task(admin.post(PERMISSIONS, msgspec.to_builtins(PermissionCreateFactory.build())))
            await eventually(is_waiting)
            service.process.terminate()
        assert (await writing).status_code == 201

    await blocking.close()
    await service.stop()
    assert service.process.returncode == 0
    service.refuse_tracebacks()
