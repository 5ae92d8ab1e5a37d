"""Dead rows are kept for their time, to the minute, and then removed, however many there are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.dependencies import SystemClock
from cms_service.services import Housekeeper, housekeeping
from tests.eventually import LONGEST_SECONDS
from tests.fixtures import Database, service_environ

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OWNERS = """
    INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), 'ada@example.org', 'Ada');
    INSERT INTO service_accounts (id, name, description) VALUES (gen_random_uuid(), 'robot', '')
"""
SESSION = """
    INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at, revoked_at)
    SELECT gen_random_uuid(), id, 'secret', {idle_expires_at}, {expires_at}, {revoked_at} FROM users
"""
API_KEY = """
    INSERT INTO api_keys (id, service_account_id, name, digest, expires_at, revoked_at)
    SELECT gen_random_uuid(), id, 'first', sha256(random()::text::bytea), {expires_at}, {revoked_at}
    FROM service_accounts
"""
LATER = {"idle_expires_at": "now() + $1::interval", "expires_at": "now() + $1::interval", "revoked_at": "NULL"}
ENDED = {"revoked_at": "now() - $1::interval"}
THROTTLE = """
    INSERT INTO throttles (purpose, subject, failures, last_failed_at, blocked_until)
    SELECT 'address', sha256(random()::text::bytea), 3, now() - $1::interval, {blocked_until}
"""
ACCOUNT_THROTTLE = """
    INSERT INTO throttles (purpose, subject, failures, last_failed_at, blocked_until)
    SELECT 'account', uuid_send(id), $1, now() - $2::interval, now() - $2::interval FROM users
"""
SIGNING_KEY = """
    INSERT INTO signing_keys (kid, algorithm, encrypted_private_key, active_from, retires_at)
    VALUES (gen_random_uuid(), 'EdDSA', 'sealed', now() - $1::interval, now() - $1::interval)
"""
ANSWER = """
    INSERT INTO idempotency_keys (digest, sealed_answer, created_at)
    VALUES (sha256(random()::text::bytea), '', now() - $1::interval)
"""
CHANGE = """
    INSERT INTO access_changes (xid, kind, subject_id, at)
    VALUES (pg_current_xact_id(), 'of the test', gen_random_uuid(), now() - $1::interval)
"""
LEASE = """
    INSERT INTO cache_leases (id, expires_at, seen)
    VALUES (gen_random_uuid(), now() - $1::interval, pg_current_snapshot())
"""
DEAD: dict[str, tuple[str, str, timedelta]] = {
    "revoked session": ("refresh_tokens", SESSION.format(**LATER | ENDED), DAY),
    "idle session": ("refresh_tokens", SESSION.format(**LATER | {"idle_expires_at": "now() - $1::interval"}), DAY),
    "expired session": ("refresh_tokens", SESSION.format(**LATER | {"expires_at": "now() - $1::interval"}), DAY),
    "throttle": ("throttles", THROTTLE.format(blocked_until="now() - interval '1 second'"), DAY),
    "signing key": (
        "signing_keys",
        SIGNING_KEY,
        DAY,
    ),
    "expired API key": ("api_keys", API_KEY.format(**LATER | {"expires_at": "now() - $1::interval"}), 30 * DAY),
    "revoked API key": ("api_keys", API_KEY.format(**LATER | ENDED), 30 * DAY),
    "revoked token": (
        "revoked_tokens",
        "INSERT INTO revoked_tokens (jti, expires_at) VALUES (gen_random_uuid(), now() - $1::interval)",
        DAY,
    ),
    "kept answer": (
        "idempotency_keys",
        ANSWER,
        DAY,
    ),
    "change of access": (
        "access_changes",
        CHANGE,
        HOUR,
    ),
    "cache lease": (
        "cache_leases",
        LEASE,
        HOUR,
    ),
}
"""Where such a row is, how it is made so long ago, and how long it is kept."""


@pytest.fixture
async def sql(sql: asyncpg.Connection) -> asyncpg.Connection:
    await sql.execute(OWNERS)
    return sql


@pytest.fixture
async def keeper(fresh: Database) -> AsyncIterator[Housekeeper]:
    engine = create_engine(load_settings(service_environ(fresh)))
    yield Housekeeper(partial(unit_of_work, engine), every_seconds=1, clock=SystemClock())
    await engine.dispose()


async def count(sql: asyncpg.Connection, table: str) -> int:
    of_the_test = " WHERE kind = 'of the test'" if table == "access_changes" else ""
    found: int = await sql.fetchval(f"SELECT count(*) FROM {table}{of_the_test}")  # noqa: S608 - our tables
    return found


@pytest.mark.parametrize("row", DEAD)
async def test_dead_row_goes_when_its_time_is_over_and_not_before(
    sql: asyncpg.Connection, keeper: Housekeeper, row: str
) -> None:
    table, make, kept_for = DEAD[row]

    await sql.execute(make, kept_for - MINUTE)
    await keeper.clean()
    assert await count(sql, table) == 1
    await sql.execute(make, kept_for + MINUTE)
    await keeper.clean()
    assert await count(sql, table) == 1


@pytest.mark.parametrize("rows", [4, 5])
@pytest.mark.parametrize("row", ["revoked session", "throttle", "kept answer", "change of access"])
async def test_all_dead_rows_go_when_they_are_more_than_one_batch(
    sql: asyncpg.Connection, keeper: Housekeeper, monkeypatch: pytest.MonkeyPatch, row: str, rows: int
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH_SIZE", 2)
    monkeypatch.setattr(housekeeping, "PAUSE_SECONDS", 0)
    table, make, kept_for = DEAD[row]
    for _ in range(rows):
        await sql.execute(make, 2 * kept_for)

    await keeper.clean()

    assert await count(sql, table) == 0


@pytest.mark.parametrize(
    ("lease_lasts", "has_heard", "left"),
    [
        pytest.param(HOUR, False, 1, id="a cache has not heard of it"),
        pytest.param(HOUR, True, 0, id="every cache has heard of it"),
        pytest.param(-MINUTE, False, 0, id="the lease has run out"),
    ],
)
async def test_change_of_access_stays_until_every_cache_has_heard_of_it(
    sql: asyncpg.Connection, keeper: Housekeeper, lease_lasts: timedelta, has_heard: bool, left: int
) -> None:
    before = await sql.fetchval("SELECT pg_current_snapshot()::text")
    await sql.execute(CHANGE, 2 * HOUR)
    after = await sql.fetchval("SELECT pg_current_snapshot()::text")
    lease = (
        "INSERT INTO cache_leases (id, expires_at, seen) VALUES (gen_random_uuid(), now() + $1, $2::text::pg_snapshot)"
    )
    await sql.execute(lease, lease_lasts, after if has_heard else before)

    await keeper.clean()

    assert await count(sql, "access_changes") == left


async def test_throttle_stays_while_it_holds_somebody_up(sql: asyncpg.Connection, keeper: Housekeeper) -> None:
    await sql.execute(THROTTLE.format(blocked_until="now() + interval '1 minute'"), 2 * DAY)

    await keeper.clean()

    assert await count(sql, "throttles") == 1


@pytest.mark.parametrize(("failures", "is_deleted", "left"), [(3, False, 1), (0, False, 0), (3, True, 0)])
async def test_failures_of_an_account_are_kept_for_as_long_as_it_lives(
    sql: asyncpg.Connection, keeper: Housekeeper, failures: int, is_deleted: bool, left: int
) -> None:
    await sql.execute(ACCOUNT_THROTTLE, failures, 2 * DAY)
    if is_deleted:
        await sql.execute("UPDATE users SET deleted_at = now()")

    await keeper.clean()

    assert await count(sql, "throttles") == left


async def test_dead_sessions_go_when_more_live_ones_than_a_batch_stand_before_them(
    sql: asyncpg.Connection, keeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH_SIZE", 2)
    for _ in range(5):
        await sql.execute(SESSION.format(**LATER), DAY)
    last_id = UUID(int=2**128 - 1)
    await sql.execute(SESSION.format(**LATER | ENDED).replace("gen_random_uuid()", f"'{last_id}'::uuid"), 2 * DAY)

    async with asyncio.timeout(LONGEST_SECONDS):
        await keeper.clean()

    assert await count(sql, "refresh_tokens") == 5
    assert not await sql.fetchval("SELECT EXISTS (SELECT FROM refresh_tokens WHERE id = $1)", last_id)
