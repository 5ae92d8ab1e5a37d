"""A key, a session or an account counts only while nothing about it has ended, whichever statement asks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from cms_service.core.database import FastLane, UnitOfWork
from cms_service.core.security import proof_of
from cms_service.repositories import (
    CredentialRepository,
    Credentials,
    DirectoryRepository,
    RefreshTokenRepository,
    RotationRepository,
    SubjectRepository,
    UserRepository,
)
from tests.factories import unique
from tests.repositories.test_database_rules import add, add_role, add_user

SECRET = b"s" * 32
DAY = timedelta(days=1)
LATER = datetime.now(UTC) + DAY


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("api_keys", "revoked_at = now()"),
        ("api_keys", "expires_at = now()"),
        ("service_accounts", "is_active = false"),
        ("service_accounts", "deleted_at = now()"),
    ],
)
async def test_key_does_not_count_when_it_or_its_account_has_ended(
    db: asyncpg.Connection, lane: FastLane, table: str, change: str
) -> None:
    credentials = CredentialRepository(lane)
    accounts = [await add(db, "service_accounts", {"name": unique("machine"), "description": ""}) for _ in range(2)]
    digests = [uuid4().bytes for _ in accounts]
    key_ids = [
        await add(
            db,
            "api_keys",
            {"service_account_id": account_id, "name": "first", "digest": digest, "expires_at": LATER},
        )
        for account_id, digest in zip(accounts, digests, strict=True)
    ]

    async def those_that_count() -> list[list[UUID]]:
        by_digest = [await credentials.find_key(digest) for digest in digests]
        of_token = [await credentials.find_key_of_token(key_id, uuid4()) for key_id in key_ids]
        return [
            [key.id for key in by_digest if key is not None],
            [key.id for key in of_token if key is not None],
        ]

    assert await those_that_count() == [key_ids] * 2

    ended_id = key_ids[0] if table == "api_keys" else accounts[0]
    await db.execute(f"UPDATE {table} SET {change} WHERE id = $1", ended_id)  # noqa: S608 - our own words

    assert await those_that_count() == [key_ids[1:]] * 2


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("refresh_tokens", "revoked_at = now()"),
        ("refresh_tokens", "idle_expires_at = now()"),
        ("refresh_tokens", "expires_at = now()"),
        ("users", "is_active = false"),
        ("users", "deleted_at = now()"),
    ],
)
async def test_session_does_not_count_when_it_or_its_account_has_ended(
    db: asyncpg.Connection, work: UnitOfWork, lane: FastLane, table: str, change: str
) -> None:
    sessions = RefreshTokenRepository(session=work.session, wrap_exceptions=False)
    user_ids = [await add_user(db) for _ in range(2)]
    columns = {"secret": SECRET, "idle_expires_at": LATER, "expires_at": LATER}
    session_ids = [await add(db, "refresh_tokens", columns | {"user_id": user_id}) for user_id in user_ids]

    ended_id = session_ids[0] if table == "refresh_tokens" else user_ids[0]
    await db.execute(f"UPDATE {table} SET {change} WHERE id = $1", ended_id)  # noqa: S608 - our own words

    # Accounts are looked up on their own there.
    read = [await SubjectRepository(lane).find_session(session_id) for session_id in session_ids]
    assert [facts and facts.user_id for facts in read] == [user_ids[0] if table == "users" else None, user_ids[1]]
    authenticated = [await sessions.mark_authenticated(session_id) for session_id in session_ids]
    assert [session and session.id for session in authenticated] == [None, session_ids[1]]
    await work.session.commit()
    rotation = RotationRepository(lane)
    rotated = [await rotation.rotate(session_id, 0, proof_of(SECRET, 0), DAY) for session_id in session_ids]
    assert [session and session.id for session in rotated] == [None, session_ids[1]]


@pytest.mark.parametrize(("counter", "secret"), [(1, SECRET), (0, b"t" * 32)])
async def test_session_is_not_rotated_by_another_counter_or_secret(
    db: asyncpg.Connection, lane: FastLane, counter: int, secret: bytes
) -> None:
    columns = {"secret": SECRET, "idle_expires_at": LATER, "expires_at": LATER}
    session_id = await add(db, "refresh_tokens", columns | {"user_id": await add_user(db)})
    rotation = RotationRepository(lane)

    assert await rotation.rotate(session_id, counter, proof_of(secret, 0), DAY) is None
    assert await rotation.rotate(session_id, 0, proof_of(SECRET, 0), DAY) is not None
    assert await rotation.rotate(session_id, 0, proof_of(SECRET, 0), DAY) is None


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()", "password_hash = 'another'"])
async def test_account_is_not_locked_when_it_has_changed_since_its_password_was_checked(
    db: asyncpg.Connection, work: UnitOfWork, change: str
) -> None:
    users = UserRepository(session=work.session, wrap_exceptions=False)
    checked = [Credentials(await add_user(db, password_hash="a hash"), "a hash", True, None) for _ in range(2)]

    await db.execute(f"UPDATE users SET {change} WHERE id = $1", checked[0].user_id)  # noqa: S608 - our own words

    locked = [await users.lock_unchanged(credentials) for credentials in checked]
    assert [user and user.id for user in locked] == [None, checked[1].user_id]


async def test_directory_shows_the_account_with_its_roles_of_now(db: asyncpg.Connection, lane: FastLane) -> None:
    one, other, deleted = [await add_user(db) for _ in range(3)]
    roles = {name: await add_role(db, title=name) for name in ("now", "over", "to come", "deleted", "of another")}
    past, columns = datetime.now(UTC) - DAY, {"user_id": one}
    await add(db, "user_roles", columns | {"role_id": roles["now"]})
    await add(db, "user_roles", columns | {"role_id": roles["over"], "expires_at": past})
    await add(db, "user_roles", columns | {"role_id": roles["to come"], "not_before": LATER})
    await add(db, "user_roles", columns | {"role_id": roles["deleted"]})
    await add(db, "user_roles", {"user_id": other, "role_id": roles["of another"]})
    await db.execute("UPDATE roles SET deleted_at = now() WHERE id = $1", roles["deleted"])
    await db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", deleted)
    directory = DirectoryRepository(lane)

    found = [await directory.find_user(user_id) for user_id in (one, other, deleted, uuid4())]

    assert [user and user["id"] for user in found] == [one, other, None, None]
    assert found[0] is not None
    assert [role["title"] for role in msgspec.json.decode(found[0]["roles"])] == ["now"]
