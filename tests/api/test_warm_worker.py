"""What a guarded request costs the database when its worker remembers who calls and what they may: nothing."""

from typing import Any

import asyncpg
import pytest

from tests.api import given, machines
from tests.factories import unique
from tests.fixtures import Caller, DatabaseFactory, ServiceFactory, sign_in

BURSTS, REQUESTS = 3, 100
# Who keeps the memory fresh has a connection of its own, which is busy whether anybody asks or not.
LAST_STATEMENTS = """
SELECT pid, query_start FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
AND application_name <> 'cms-service cache'
"""


async def last_statements(db: asyncpg.Connection) -> dict[int, Any]:
    """When each connection of the service was sent its last statement."""
    found = {row["pid"]: row["query_start"] for row in await db.fetch(LAST_STATEMENTS)}
    assert found
    return found


async def callers_of_each_kind(admin: Caller) -> list[Caller]:
    """By a session, by an API key and by a token that was issued for it: all may ask about others."""
    robot = await machines.machine(admin, "access:check")
    return [admin, robot, robot.holding(await robot.exchange())]


async def question_about(admin: Caller) -> dict[str, Any]:
    """Somebody may, since a role inherits the permission."""
    kind = unique("articles")
    role = await given.role(admin, parent_ids=[(await given.role(admin, f"{kind}:publish"))["id"]])
    user = await given.user(admin)
    await given.assignment(admin, user["id"], role["id"])
    subject, resource = {"type": "user", "id": user["email"]}, {"type": kind, "id": "1"}
    return {"subject": subject, "action": {"name": "publish"}, "resource": resource}


async def test_guarded_request_on_a_warm_worker_touches_no_database(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    # A worker that stands still for some seconds keeps its lease.
    service = await service_factory(database, max_staleness_ms="10000")
    db = await database.connect()
    async with service.client() as http:
        admin = await sign_in(http, service.admin_email, service.admin_password)
        callers, question = await callers_of_each_kind(admin), await question_about(admin)

        async def is_answered_from_memory() -> bool:
            before = await last_statements(db)
            for _ in range(REQUESTS):
                for caller in callers:
                    response = await caller.post("/api/v1/access/evaluation", question)
                    assert response.json() == {"decision": True}
            return await last_statements(db) == before

        # The first burst warms the worker up. Now and again it reads keys and subjects anew, though not all the time.
        for _ in range(BURSTS):
            if await is_answered_from_memory():
                break
        else:
            pytest.fail("every burst of requests has touched the database")
    await db.close()
