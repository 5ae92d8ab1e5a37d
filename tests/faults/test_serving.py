"""The service is told to end, a worker is killed, and the database comes late: nobody who heeds readiness notices."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy.engine import make_url

from cms_service.cli.serving import FINISH_SECONDS
from cms_service.core.database import upgrade
from tests.api.cluster import open_connections
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.factories import PermissionCreateFactory
from tests.fixtures import Cluster, Database, DatabaseFactory, Service, ServiceFactory, production_environ, sign_in
from tests.processes import workers_of

pytestmark = pytest.mark.fault

ME = "/api/v1/users/me"
PERMISSIONS = "/api/v1/permissions"
FRESH = httpx.Limits(max_keepalive_connections=0)
WORKERS = "2"
DRAIN_SECONDS = 6


class Traffic:
    """Clients that send requests for as long as readiness says yes, as behind a load balancer."""

    def __init__(self, service: Service, token: str) -> None:
        self._service = service
        self._headers = {"Authorization": f"Bearer {token}"}
        self._is_ready = True
        self.outcomes: Counter[str] = Counter()

    async def flow(self) -> None:
        """Returns when the last client has its last answer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._balance())
            for _ in range(8):
                group.create_task(self._send(httpx.Limits(max_connections=1)))
            for _ in range(4):
                group.create_task(self._send(FRESH))

    async def _balance(self) -> None:
        async with self._client(FRESH) as http:
            while self._is_ready:
                self._is_ready = (await http.get("/health/ready")).is_success
                await asyncio.sleep(0.1)

    async def _send(self, limits: httpx.Limits) -> None:
        async with self._client(limits) as http:
            while self._is_ready:
                try:
                    response = await http.get(ME, headers=self._headers)
                    self.outcomes[str(response.status_code)] += 1
                except httpx.TransportError as error:
                    self.outcomes[type(error).__name__] += 1

    def _client(self, limits: httpx.Limits) -> httpx.AsyncClient:
        return self._service.client(limits=limits)


async def is_refused(service: Service) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def are_waiting(blocking: asyncpg.Connection, number: int) -> bool:
    """Whether so many wait for the table of permissions."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'permissions'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return bool(await blocking.fetchval(query) == number)


async def test_nobody_who_heeds_readiness_notices_when_the_service_is_told_to_stop(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(
        database,
        workers=WORKERS,
        drain_seconds=str(DRAIN_SECONDS),
        database_lock_timeout_seconds="30",
        database_command_timeout_seconds="30",
    )
    blocking = await database.connect()

    async with (
        service.client() as http,
        open_connections([service], 8) as connections,
    ):
        admin = await sign_in(http, service.admin_email, service.admin_password)
        traffic = Traffic(service, admin.access_token)
        flow = asyncio.create_task(traffic.flow())
        async with blocking.transaction():
            await blocking.execute("LOCK TABLE permissions IN SHARE MODE")
            bodies = [msgspec.to_builtins(PermissionCreateFactory.build()) for _ in range(4)]
            writes = [asyncio.create_task(admin.post(PERMISSIONS, body)) for body in bodies]
            await eventually(lambda: are_waiting(blocking, 4))
            told_at = time.monotonic()
            service.process.terminate()

            async def has_begun() -> bool:
                return not (await http.get("/health/ready")).is_success

            await eventually(has_begun)
            ready = await asyncio.gather(*(connection.get("/health/ready") for connection in connections))
            live = [await http.get("/health/live") for _ in range(4)]
            served = await admin.get(ME)
            await flow
            await eventually(lambda: is_refused(service))
            served_for = time.monotonic() - told_at
            has_ended_early = service.process.poll() is not None
        written = await asyncio.gather(*writes)

    await blocking.close()
    await service.stop()
    assert [code_of(response, 503) for response in ready] == ["service_unavailable"] * len(connections)
    assert {response.status_code for response in [*live, served]} == {200}
    assert {response.headers.get("connection") for response in [*ready, *live, served]} == {"close"}
    assert traffic.outcomes.keys() == {"200"}, traffic.outcomes
    assert served_for >= DRAIN_SECONDS
    assert not has_ended_early
    assert [response.status_code for response in written] == [201] * 4
    assert service.process.returncode == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_second_signal_ends_the_waiting(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, second: signal.Signals
) -> None:
    service = await service_factory(await fresh_database(), drain_seconds="300")

    service.process.terminate()
    async with service.client() as http:

        async def is_draining() -> bool:
            return (await http.get("/health/ready")).status_code == 503

        await eventually(is_draining)
    await service.stop(second)

    assert service.process.returncode == 0


async def test_killed_worker_is_replaced_while_the_others_serve(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    service = await service_factory(await fresh_database(), workers=WORKERS)
    async with open_connections([service], 2):
        before = workers_of(service.process.pid)  # Both of them serve: readiness may have been the answer of the first.
    victim = min(before)
    assert len(before) == int(WORKERS)
    traffic = Counter[int]()
    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
    headers = {"Authorization": f"Bearer {admin.access_token}"}

    os.kill(victim, signal.SIGKILL)

    async def is_replaced() -> bool:
        # What was on its way to the dead one is lost; who comes now is served by the other.
        async with service.client(limits=FRESH) as http:
            traffic[(await http.get(ME, headers=headers)).status_code] += 1
        now = workers_of(service.process.pid)
        return victim not in now and len(now) == len(before)

    async def is_gone() -> bool:
        return victim not in workers_of(service.process.pid)

    await eventually(is_gone)
    await eventually(is_replaced)
    async with open_connections([service], 2) as connections:
        for connection in connections:
            traffic[(await connection.get(ME, headers=headers)).status_code] += 1
    assert traffic.keys() == {200}


async def test_request_is_finished_when_the_main_process_is_killed(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database, database_lock_timeout_seconds="30")
    blocking = await database.connect()
    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
        async with blocking.transaction():
            await blocking.execute("LOCK TABLE permissions IN SHARE MODE")
            body = msgspec.to_builtins(PermissionCreateFactory.build())
            writing = asyncio.create_task(admin.post(PERMISSIONS, body))
            await eventually(lambda: are_waiting(blocking, 1))
            service.process.kill()
            await eventually(lambda: is_refused(service))
            await asyncio.sleep(FINISH_SECONDS / 2)  # It is given time, too.
        written = await writing
    await blocking.close()

    assert written.status_code == 201


@pytest.fixture
async def closed_database(
    cluster: Cluster, fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> Database:
    """Migrated and set up by a service with the secret key of the tests; nobody gets in for now."""
    database = await fresh_database()
    service = await service_factory(database)
    await service.stop()
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    return database


def production(database: Database, directory: Path, **overrides: str) -> Service:
    return Service(production_environ(database, **overrides), directory)


async def test_service_waits_for_its_database_and_says_so(
    cluster: Cluster, closed_database: Database, tmp_path: Path
) -> None:
    service = production(closed_database, tmp_path, workers=WORKERS)
    await service.wait_until_live()
    await cluster.execute(f"ALTER DATABASE {closed_database.name} ALLOW_CONNECTIONS true")
    await service.wait_until_ready()

    async def is_told() -> bool:
        return "the database is there" in service.log.read_text()

    await eventually(is_told)
    await service.stop()

    lines = [line for line in service.log.read_text().splitlines() if "PostgreSQL at" in line]
    assert len(lines) == 1
    assert "readiness answers 503 until then" in lines[0]
    assert service.process.returncode == 0


async def test_service_ends_when_its_late_database_has_another_secret_key(
    cluster: Cluster, closed_database: Database, tmp_path: Path
) -> None:
    service = production(closed_database, tmp_path, secret_key=os.urandom(32).hex())
    await service.wait_until_live()

    await cluster.execute(f"ALTER DATABASE {closed_database.name} ALLOW_CONNECTIONS true")
    await asyncio.to_thread(service.process.wait, 30)
    await service.stop()

    assert service.process.returncode == 2
    assert "cms-service: CMS_SECRET_KEY is not the one under which signing key" in service.log.read_text()


@pytest.fixture
async def poor_role(cluster: Cluster) -> AsyncIterator[str]:
    """One that may sign in and nothing more."""
    role = f"poor_{os.urandom(4).hex()}"
    await cluster.execute(f"CREATE ROLE {role} LOGIN")
    yield role
    await cluster.execute(f"DROP ROLE {role}")


async def test_service_without_privileges_is_not_told_to_migrate(
    closed_database: Database, cluster: Cluster, poor_role: str, tmp_path: Path
) -> None:
    await cluster.execute(f"ALTER DATABASE {closed_database.name} ALLOW_CONNECTIONS true")
    url = make_url(closed_database.url).set(username=poor_role).render_as_string().replace("+asyncpg", "")
    service = production(closed_database, tmp_path, database_url=url)
    await service.wait_until_live()
    async with service.client() as http:
        ready = await http.get("/health/ready")

    async def is_told() -> bool:
        advice = "refuses: permission denied for table alembic_version; `cms-service doctor` says what to do"
        return advice in service.log.read_text()

    await eventually(is_told)
    await service.stop()
    assert code_of(ready, 503) == "service_unavailable"
    assert "cms-service migrate" not in service.log.read_text()


async def test_service_says_what_to_do_when_its_late_database_is_not_migrated(
    cluster: Cluster, fresh_database: DatabaseFactory, tmp_path: Path
) -> None:
    database = await fresh_database(is_migrated=False)
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    service = production(database, tmp_path)
    await service.wait_until_live()
    await cluster.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")

    async def is_told() -> bool:
        return "run `cms-service migrate`" in service.log.read_text()

    await eventually(is_told)
    await asyncio.to_thread(upgrade, database.url)
    await service.wait_until_ready()
    await service.stop()
    assert service.process.returncode == 0
    service.refuse_tracebacks()
