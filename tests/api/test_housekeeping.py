"""What no longer counts goes away by itself, a day later, and nothing else does."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.eventually import eventually
from tests.fixtures import Database, DatabaseFactory, ServiceFactory

LONG_AGO, RECENTLY = "now() - interval '25 hours'", "now() - interval '23 hours'"
SESSION = """
    INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at, revoked_at)
    SELECT gen_random_uuid(), $1, 'secret', {idle_expires_at}, {expires_at}, {revoked_at} FROM generate_series(1, $2)
"""
THROTTLE = """
    INSERT INTO throttles (purpose, subject, failures, last_failed_at, blocked_until)
    VALUES ('{purpose}', $1, {failures}, {last_failed_at}, {blocked_until})
"""
SIGNING_KEY = """
    INSERT INTO signing_keys (kid, algorithm, encrypted_private_key, active_from, retires_at)
    VALUES ($1, 'EdDSA', 'sealed', {active_from}, {retires_at})
"""
API_KEY = """
    INSERT INTO api_keys (id, service_account_id, name, digest, expires_at, revoked_at)
    VALUES (gen_random_uuid(), $1, $2, sha256(random()::text::bytea), {expires_at}, {revoked_at})
"""
REVOKED_TOKEN = "INSERT INTO revoked_tokens (jti, expires_at) VALUES (gen_random_uuid(), {expires_at})"
ACCESS_CHANGE = """
    INSERT INTO access_changes (xid, kind, at) VALUES (CAST($2::text AS xid8), 'of the test', now() - $1::interval)
"""
CACHE_LEASE = """
    INSERT INTO cache_leases (id, expires_at, seen)
    VALUES (gen_random_uuid(), now() - $1::interval, pg_current_snapshot())
"""
IDEMPOTENCY_KEY = """
    INSERT INTO idempotency_keys (digest, sealed_answer, created_at) VALUES (sha256($1), '', now() - $2::interval)
"""
MONTHS_AGO = "now() - interval '31 days'"
MORE_THAN_TWO_BATCHES = 1_100


async def add_sessions(db: asyncpg.Connection, user_id: UUID, count: int = 1, **columns: str) -> None:
    live = {"idle_expires_at": "now() + interval '1 hour'", "expires_at": "now() + interval '1 hour'"}
    await db.execute(SESSION.format(**live | {"revoked_at": "NULL"} | columns), user_id, count)


async def add_throttle(db: asyncpg.Connection, subject: bytes | None = None, **columns: Any) -> bytes:
    subject = subject or uuid4().bytes * 2
    idle = {"purpose": "address", "failures": 3, "last_failed_at": LONG_AGO, "blocked_until": LONG_AGO}
    await db.execute(THROTTLE.format(**idle | columns), subject)
    return subject


async def add_api_key(db: asyncpg.Connection, account_id: UUID, name: str, **columns: str) -> None:
    live = {"expires_at": "now() + interval '1 hour'", "revoked_at": "NULL"}
    await db.execute(API_KEY.format(**live | columns), account_id, name)


async def add_signing_key(db: asyncpg.Connection, kid: str, retires_at: str) -> None:
    await db.execute(SIGNING_KEY.format(active_from=LONG_AGO, retires_at=retires_at), kid)


@pytest.fixture
async def fresh(fresh_database: DatabaseFactory) -> Database:
    return await fresh_database()


@pytest.mark.slow
async def test_dead_rows_are_purged_while_two_replicas_with_two_workers_keep_house(
    fresh: Database, service_factory: ServiceFactory
) -> None:
    db = await fresh.connect()
    user_id = uuid4()
    await db.execute("INSERT INTO users (id, email, display_name) VALUES ($1, 'ada@example.org', 'Ada')", user_id)
    await add_sessions(db, user_id, MORE_THAN_TWO_BATCHES, revoked_at=LONG_AGO)
    await add_sessions(db, user_id, 10, idle_expires_at=LONG_AGO)
    await add_sessions(db, user_id, 10, expires_at=LONG_AGO)
    await add_sessions(db, user_id, 2, revoked_at=RECENTLY)
    await add_sessions(db, user_id, 3, idle_expires_at=RECENTLY)
    await add_sessions(db, user_id, 4)
    for _ in range(MORE_THAN_TWO_BATCHES):
        await add_throttle(db)
    await add_throttle(db, uuid4().bytes, purpose="account", failures=0)
    await add_throttle(db, uuid4().bytes, purpose="account", failures=3)  # Of nobody any more.
    kept = {
        await add_throttle(db, user_id.bytes, purpose="account", failures=3),
        await add_throttle(db, last_failed_at=RECENTLY),
        await add_throttle(db, blocked_until="now() + interval '1 hour'"),
    }
    await add_signing_key(db, "retired long ago", LONG_AGO)
    await add_signing_key(db, "retired recently", RECENTLY)

    account_id = uuid4()
    await db.execute("INSERT INTO service_accounts (id, name, description) VALUES ($1, 'robot', '')", account_id)
    await add_api_key(db, account_id, "expired", expires_at=MONTHS_AGO)
    await add_api_key(db, account_id, "revoked", revoked_at=MONTHS_AGO)
    await add_api_key(db, account_id, "kept: expired", expires_at=LONG_AGO)
    await add_api_key(db, account_id, "kept: revoked", revoked_at=LONG_AGO)
    await add_api_key(db, account_id, "kept: live")
    for expires_at in (LONG_AGO, RECENTLY):
        await db.execute(REVOKED_TOKEN.format(expires_at=expires_at))

    for xid, age in {"1": timedelta(hours=2), "2": timedelta(minutes=30)}.items():
        await db.execute(ACCESS_CHANGE, age, xid)
        await db.execute(CACHE_LEASE, age)

    for hours in (23, 25):
        await db.execute(IDEMPOTENCY_KEY, bytes([hours]), timedelta(hours=hours))

    for _ in range(2):
        await service_factory(fresh, workers="2", housekeeping_seconds="1")

    async def is_clean() -> bool:
        counts = await db.fetchrow(
            "SELECT (SELECT count(*) FROM refresh_tokens), (SELECT count(*) FROM throttles),"
            " (SELECT count(*) FROM signing_keys WHERE kid LIKE 'retired%'),"
            " (SELECT count(*) FROM api_keys), (SELECT count(*) FROM revoked_tokens),"
            " (SELECT count(*) FROM access_changes WHERE kind = 'of the test'),"
            " (SELECT count(*) FROM cache_leases WHERE expires_at < now() - interval '5 minutes'),"
            " (SELECT count(*) FROM idempotency_keys)"
        )
        return counts is not None and tuple(counts) == (9, 3, 1, 3, 1, 1, 1, 1)

    await eventually(is_clean)
    assert {row["subject"] for row in await db.fetch("SELECT subject FROM throttles")} == kept
    assert await db.fetchval("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL") == 7
    assert await db.fetchval("SELECT count(*) FROM api_keys WHERE name LIKE 'kept%'") == 3
    await db.close()
