"""Requests that use all database connections do not take a replica out of service."""

import asyncio

import httpx
import msgspec

from tests.api.metrics_page import Scrape
from tests.eventually import eventually
from tests.factories import PermissionCreateFactory
from tests.fixtures import DatabaseFactory, ServiceFactory, sign_in

POOL_SIZE = 2
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_replica_is_ready_while_every_connection_of_the_pool_is_in_use(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database, database_pool_size=str(POOL_SIZE))
    holder, db = await database.connect(), await database.connect()
    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
        bodies = [msgspec.to_builtins(PermissionCreateFactory.build()) for _ in range(3 * POOL_SIZE)]
        await holder.execute("BEGIN; LOCK TABLE audit_events IN EXCLUSIVE MODE")
        writes = [asyncio.ensure_future(admin.post("/api/v1/permissions", body)) for body in bodies]

        async def are_all_in_use() -> bool:
            return bool(await db.fetchval(WAITING) == POOL_SIZE)

        await eventually(are_all_in_use)
        probes = [await http.get("/health/ready") for _ in range(5)]
        page = Scrape((await http.get("/metrics")).text)

        await holder.execute("ROLLBACK")
        answers: list[httpx.Response] = await asyncio.gather(*writes)
    for connection in (holder, db):
        await connection.close()

    assert [probe.status_code for probe in probes] == [200] * 5
    assert page.total("cms_database_ready") == 1
    assert {answer.status_code for answer in answers} == {201}
