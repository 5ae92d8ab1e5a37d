"""No filter of the audit trail reads the whole trail, even where what it looks for is rare, old or missing."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cms_service.core.database import Window, unit_of_work
from cms_service.repositories import AuditEventRepository
from tests.fixtures import Cluster

MOST_PAGES_READ = 50
"""Of 8 KiB. The trail has about 2,500."""
RARE, MISSING = UUID(int=1), UUID(int=2)
# Many types of targets: from version 18 on, PostgreSQL skips through few of them, and would need no index of the ids.
FILL = """
    INSERT INTO audit_events (at, id, actor_id, action, target_type, target_id, request_id, ip, on_behalf_of, after)
    SELECT
        month + number * interval '1 minute', gen_random_uuid(),
        CASE WHEN is_rare THEN $1::uuid ELSE gen_random_uuid() END,
        CASE WHEN is_rare THEN 'rare' ELSE 'common' END,
        CASE WHEN is_rare THEN 'rare' ELSE 'type ' || number END,
        CASE WHEN is_rare THEN $1::uuid ELSE gen_random_uuid() END,
        CASE WHEN is_rare THEN 'rare' ELSE gen_random_uuid()::text END,
        CASE WHEN is_rare THEN '203.0.113.1' ELSE '10.0.' || number % 256 || '.' || number / 256 END,
        CASE WHEN is_rare THEN $1::uuid ELSE gen_random_uuid() END,
        jsonb_build_object('title', repeat('x', 200))
    FROM generate_series(1, 50000) AS number,
        LATERAL (SELECT number % 10000 = 1 AS is_rare, date_trunc('month', now()) AS month) AS event
"""
FILTERS: dict[str, tuple[Any, Any]] = {
    "actor_id": (RARE, MISSING),
    "action": ("rare", "missing"),
    "target_type": ("rare", "missing"),
    "target_id": (RARE, MISSING),
    "request_id": ("rare", "missing"),
    "on_behalf_of": (RARE, MISSING),
    "ip": ("203.0.113.1", "203.0.113.2"),
    "after": (datetime.max.replace(tzinfo=UTC) - timedelta(days=400), None),
    "before": (datetime.min.replace(tzinfo=UTC) + timedelta(days=400), None),
}
"""A value that few old events have, and one that none has."""


@pytest.fixture(scope="module")
async def engine(cluster: Cluster, template: str) -> AsyncIterator[AsyncEngine]:
    """A database whose trail is long."""
    database = await cluster.create(template=template)
    db = await database.connect()
    await db.execute(FILL, RARE)
    await db.execute("ANALYZE audit_events")
    await db.close()
    engine = create_async_engine(database.url)
    yield engine
    await engine.dispose()
    await cluster.drop(database)


def test_every_filter_is_tried() -> None:
    filters = signature(AuditEventRepository.slice).parameters.keys() - {"self", "window"}
    assert FILTERS.keys() == filters


async def pages_read(engine: AsyncEngine, **filters: Any) -> int:
    """How many pages of tables and indexes PostgreSQL reads for the first part of the list."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    async with unit_of_work(engine) as work:
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        try:
            await AuditEventRepository(session=work.session).slice(Window(None, 20), **filters)
        finally:
            event.remove(engine.sync_engine, "before_cursor_execute", note)
        ((statement, parameters),) = asked
        connection = await work.session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        answer = plan.scalar_one()
    (report,) = json.loads(answer) if isinstance(answer, str) else answer
    return int(report["Plan"]["Shared Hit Blocks"] + report["Plan"]["Shared Read Blocks"])


@pytest.mark.parametrize("name", FILTERS)
async def test_filter_reads_little_of_a_long_trail(engine: AsyncEngine, name: str) -> None:
    for value in FILTERS[name]:
        assert await pages_read(engine, **{name: value}) <= MOST_PAGES_READ, value
