"""A row that is locked for a change is changed by nobody else, and may still be referred to."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from cms_service.core.database import UnitOfWork
from cms_service.models import ApiKey, Permission, Role, ServiceAccount, User
from cms_service.repositories import (
    ApiKeyRepository,
    PermissionRepository,
    RoleRepository,
    ServiceAccountRepository,
    UserRepository,
)
from tests.factories import unique
from tests.repositories.test_database_rules import add, add_permission, add_role, add_user


async def add_service_account(db: asyncpg.Connection) -> UUID:
    return await add(db, "service_accounts", {"name": unique("robot"), "description": ""})


async def add_api_key(db: asyncpg.Connection) -> UUID:
    account_id, expires_at = await add_service_account(db), datetime.now(UTC) + timedelta(days=1)
    columns = {"service_account_id": account_id, "name": "first", "digest": uuid4().bytes, "expires_at": expires_at}
    return await add(db, "api_keys", columns)


async def lock_user_with_its_password(work: UnitOfWork, user_id: UUID) -> User | None:
    users = UserRepository(session=work.session)
    credentials = await users.find_credentials_by_id(user_id)
    assert credentials is not None
    return await users.lock_unchanged(credentials)


async def lock_key(work: UnitOfWork, key_id: UUID) -> ApiKey:
    key = await work.session.get_one(ApiKey, key_id)
    [locked] = await ApiKeyRepository(session=work.session).lock_unrevoked(key.service_account_id, key_id)
    return locked


Add = Callable[[asyncpg.Connection], Awaitable[UUID]]
Lock = Callable[[UnitOfWork, UUID], Awaitable[Any]]
LOCKS: dict[str, tuple[str, Add, Lock]] = {
    "live user": ("users", add_user, lambda work, id_: UserRepository(session=work.session).lock_live(id_)),
    "any user": ("users", add_user, lambda work, id_: UserRepository(session=work.session).lock_any(id_)),
    "user with its password": ("users", add_user, lock_user_with_its_password),
    "role": ("roles", add_role, lambda work, id_: RoleRepository(session=work.session).lock_live(id_)),
    "permission": (
        "permissions",
        add_permission,
        lambda work, id_: PermissionRepository(session=work.session).lock_existing(id_),
    ),
    "service account": (
        "service_accounts",
        add_service_account,
        lambda work, id_: ServiceAccountRepository(session=work.session).lock_live(id_),
    ),
}
"""Table, how a row of it is added, and how it is locked."""
KEY_LOCK: dict[str, tuple[str, Add, Lock]] = {"API key": ("api_keys", add_api_key, lock_key)}
MODELS: dict[str, Any] = {model.__tablename__: model for model in (User, Role, Permission, ServiceAccount, ApiKey)}


@pytest.mark.parametrize("name", LOCKS | KEY_LOCK)
async def test_locked_row_is_as_it_is_now_though_it_was_read_before(
    work: UnitOfWork, db: asyncpg.Connection, name: str
) -> None:
    table, add_row, lock = (LOCKS | KEY_LOCK)[name]
    row_id = await add_row(db)
    read = await work.session.get_one(MODELS[table], row_id)
    await db.execute(f"UPDATE {table} SET version = 77 WHERE id = $1", row_id)  # noqa: S608 - our own words

    locked = await lock(work, row_id)

    assert locked is read
    assert locked.version == 77


@pytest.mark.parametrize("name", LOCKS)
async def test_locked_row_is_changed_by_nobody_else_and_may_be_referred_to(
    work: UnitOfWork, db: asyncpg.Connection, name: str
) -> None:
    table, add_row, lock = LOCKS[name]
    row_id = await add_row(db)
    select = f"SELECT 1 FROM {table} WHERE id = $1"  # noqa: S608 - our own words

    await lock(work, row_id)

    with pytest.raises(asyncpg.LockNotAvailableError):
        await db.fetch(f"{select} FOR NO KEY UPDATE NOWAIT", row_id)
    # The lock of a foreign key.
    assert await db.fetch(f"{select} FOR KEY SHARE NOWAIT", row_id)
