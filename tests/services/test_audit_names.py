"""Names cost one statement for a page of the audit trail, however many things its events tell of."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.config import Settings
from cms_service.core.database import create_engine, for_reading, unit_of_work
from cms_service.core.security import CursorCodec
from cms_service.schemas import AuditEventQuery, AuditEventRead, Page
from cms_service.services import AuditEventService
from tests.factories import unique
from tests.services.interrupted import interrupted

MOST_EVENTS = 100
"""The longest page that a client can ask for."""
TYPES = ("user", "service_account", "role", "permission", "api_key", "session", "token")
FILL = """
    WITH people AS (
        INSERT INTO users (id, email, display_name)
        SELECT gen_random_uuid(), gen_random_uuid() || '@example.org', 'Person ' || number
        FROM generate_series(1, 100) AS number RETURNING id
    )
    INSERT INTO audit_events (id, action, actor_id, target_type, target_id, credential_id, on_behalf_of)
    SELECT
        gen_random_uuid(), $1, id, ($2::text[])[1 + row_number() OVER () % array_length($2, 1)],
        gen_random_uuid(), gen_random_uuid(), id
    FROM people
"""


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


async def read(engine: AsyncEngine, settings: Settings, query: AuditEventQuery) -> tuple[int, Page[AuditEventRead]]:
    """How many statements a page costs, with the page."""
    with interrupted(engine, 0, never) as statements:
        async with unit_of_work(for_reading(engine, settings)) as work:
            page = await AuditEventService(work, CursorCodec(b"0" * 32)).list_events(query)
    return len(statements), page


async def never() -> None:
    raise NotImplementedError  # `interrupted` is to count statements only; it interrupts none.


@pytest.mark.parametrize("limit", [1, MOST_EVENTS])
async def test_page_costs_two_statements_whatever_its_size(
    engine: AsyncEngine, settings: Settings, db: asyncpg.Connection, limit: int
) -> None:
    action = unique("test")
    await db.execute(FILL, action, TYPES)

    cost, page = await read(engine, settings, AuditEventQuery(action=action, limit=limit, cursor=None))

    assert cost == 2
    assert len({event.actor_name for event in page.items}) == len(page.items) == limit
    assert {event.actor_name for event in page.items} == {event.on_behalf_of_name for event in page.items}


async def test_page_costs_one_statement_when_there_is_nothing_to_name(
    engine: AsyncEngine, settings: Settings, db: asyncpg.Connection
) -> None:
    action = unique("test")
    await db.execute("INSERT INTO audit_events (id, action) VALUES ($1, $2)", uuid4(), action)

    cost, page = await read(engine, settings, AuditEventQuery(action=action, limit=MOST_EVENTS, cursor=None))

    assert (cost, len(page.items)) == (1, 1)


async def test_name_is_known_when_it_changes_while_the_page_is_read(
    engine: AsyncEngine, settings: Settings, db: asyncpg.Connection
) -> None:
    action = unique("test")
    await db.execute(FILL, action, TYPES)
    rename = (
        "UPDATE users SET display_name = 'Renamed' WHERE id IN (SELECT actor_id FROM audit_events WHERE action = $1)"
    )

    with interrupted(engine, 2, lambda: db.execute(rename, action)):
        async with unit_of_work(for_reading(engine, settings)) as work:
            service = AuditEventService(work, CursorCodec(b"0" * 32))
            page = await service.list_events(AuditEventQuery(action=action, limit=MOST_EVENTS, cursor=None))

    assert {event.actor_name for event in page.items} == {"Renamed"}
