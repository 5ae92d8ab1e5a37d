"""A session is opened only for an account that is as it was when the password was checked."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from cms_service.core.database import FastLane
from cms_service.repositories import Counter, Credentials, Opened, Purpose, SignInOrigin, SignInRepository
from cms_service.repositories.sign_in import MOST_SESSIONS
from tests.repositories.test_database_rules import add_user

HASH = "the hash that was checked"
DAY = timedelta(days=1)
ADD_SESSION = """
    INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at, last_used_at, revoked_at)
    SELECT gen_random_uuid(), $1, 'secret', now() + interval '1 day', now() + interval '1 day', now() - $2::interval,
        CASE WHEN $3 THEN now() END
    RETURNING id
"""


@pytest.fixture
def sign_ins(lane: FastLane) -> SignInRepository:
    return SignInRepository(lane)


async def credentials_of(db: asyncpg.Connection) -> Credentials:
    return Credentials(await add_user(db, password_hash=HASH), HASH, is_active=True, password_changed_at=None)


async def open_session(sign_ins: SignInRepository, credentials: Credentials, counter: Counter) -> Opened | None:
    origin = SignInOrigin("192.0.2.1", "a browser", None)
    return await sign_ins.open(
        credentials, secret=b"s" * 32, idle_lifetime=DAY, lifetime=DAY, origin=origin, counter=counter
    )


def counter_of(user_id: UUID, purpose: Purpose = Purpose.ACCOUNT) -> Counter:
    return Counter(purpose, user_id.bytes, 5, [timedelta(0)], DAY, most_failures=100)


@pytest.mark.parametrize(
    "change", ["is_active = false", "deleted_at = now()", "password_hash = 'another'", "password_hash = NULL"]
)
async def test_session_is_not_opened_when_the_account_has_changed(
    db: asyncpg.Connection, sign_ins: SignInRepository, change: str
) -> None:
    changed, other = await credentials_of(db), await credentials_of(db)
    await db.execute(f"UPDATE users SET {change} WHERE id = $1", changed.user_id)  # noqa: S608 - our own words

    assert await open_session(sign_ins, changed, counter_of(changed.user_id)) is None

    opened = await open_session(sign_ins, other, counter_of(other.user_id))
    assert opened is not None
    assert opened.session.user_id == opened.user["id"] == other.user_id
    sessions = "SELECT count(*) FROM refresh_tokens WHERE user_id = $1"
    assert [await db.fetchval(sessions, each.user_id) for each in (changed, other)] == [0, 1]


async def test_session_that_was_not_used_for_the_longest_time_ends_when_there_are_too_many(
    db: asyncpg.Connection, sign_ins: SignInRepository
) -> None:
    one, other = await credentials_of(db), await credentials_of(db)
    oldest = await db.fetchval(ADD_SESSION, one.user_id, timedelta(hours=2), False)
    for seconds in range(MOST_SESSIONS - 1):
        await db.execute(ADD_SESSION, one.user_id, timedelta(seconds=seconds), False)
    for user_id, has_ended in ((one.user_id, True), (other.user_id, False)):
        await db.execute(ADD_SESSION, user_id, timedelta(hours=3), has_ended)

    opened = await open_session(sign_ins, one, counter_of(one.user_id))

    assert opened is not None
    assert opened.has_ended_others
    ended = "SELECT id FROM refresh_tokens WHERE user_id = $1 AND revoked_reason = 'too_many_sessions'"
    assert [row["id"] for row in await db.fetch(ended, one.user_id)] == [oldest]
    live = "SELECT count(*) FROM refresh_tokens WHERE user_id = $1 AND revoked_at IS NULL"
    assert [await db.fetchval(live, each.user_id) for each in (one, other)] == [MOST_SESSIONS, 1]


@pytest.mark.parametrize("purpose", [Purpose.ACCOUNT, Purpose.DEVICE])
async def test_failures_of_the_account_alone_are_forgotten(
    db: asyncpg.Connection, sign_ins: SignInRepository, purpose: Purpose
) -> None:
    one, other = await credentials_of(db), await credentials_of(db)
    for user_id in (one.user_id, other.user_id):
        for each in {Purpose.ACCOUNT, purpose}:
            add = "INSERT INTO throttles (purpose, subject, failures, streak) VALUES ($1, $2, 3, 3)"
            await db.execute(add, each, user_id.bytes)

    assert await open_session(sign_ins, one, counter_of(one.user_id, purpose)) is not None

    failures = "SELECT coalesce(sum(failures), 0) FROM throttles WHERE subject = $1"
    assert await db.fetchval(failures, one.user_id.bytes) == 0
    assert await db.fetchval(failures, other.user_id.bytes) == 3 * len({Purpose.ACCOUNT, purpose})


async def test_hash_is_renewed_only_where_it_is_the_one_that_was_checked(
    db: asyncpg.Connection, sign_ins: SignInRepository
) -> None:
    one, changed, other = [await credentials_of(db) for _ in range(3)]
    await db.execute("UPDATE users SET password_hash = 'another' WHERE id = $1", changed.user_id)

    for credentials in (one, changed):
        await sign_ins.renew_hash(credentials, "renewed")

    stored = [
        await db.fetchval("SELECT password_hash FROM users WHERE id = $1", each.user_id)
        for each in (one, changed, other)
    ]
    assert stored == ["renewed", "another", HASH]
