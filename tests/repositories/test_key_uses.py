"""When a key was last used is written once a minute, whichever process notices the use."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from cms_service.core.database import FastLane
from cms_service.repositories import CredentialRepository
from tests.factories import unique
from tests.repositories.test_database_rules import add

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("last_used_at", "is_written"),
    [
        pytest.param(None, True, id="never used"),
        pytest.param(NOW - timedelta(minutes=2), True, id="used two minutes ago"),
        pytest.param(NOW + timedelta(hours=1), False, id="written by another process"),
    ],
)
async def test_use_of_a_key_is_written_when_the_last_is_a_minute_old(
    db: asyncpg.Connection, lane: FastLane, last_used_at: datetime | None, is_written: bool
) -> None:
    account_id = await add(db, "service_accounts", {"name": unique("machine"), "description": ""})
    columns = {"service_account_id": account_id, "name": "first", "digest": uuid4().bytes, "expires_at": NOW}
    key_id = await add(db, "api_keys", columns | {"last_used_at": last_used_at})

    await CredentialRepository(lane).mark_used([key_id])

    written_at = await db.fetchval("SELECT last_used_at FROM api_keys WHERE id = $1", key_id)
    assert (written_at != last_used_at) == is_written
