"""The first administrator is made once, also by processes that start together."""

import asyncio

import pytest

from cms_service.core.config import load_settings
from cms_service.operating import bootstrap_administrator
from tests.fixtures import ADMIN_EMAIL, DatabaseFactory, ServiceFactory, service_environ


@pytest.mark.slow
async def test_services_start_together_when_their_database_is_empty(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database(is_migrated=False)
    await asyncio.gather(*(service_factory(database) for _ in range(3)))
    connection = await database.connect()
    try:
        assert await connection.fetchval("SELECT count(*) FROM users") == 1
    finally:
        await connection.close()


async def test_administrator_is_made_once_when_others_hold_less_than_everything(
    fresh_database: DatabaseFactory,
) -> None:
    database = await fresh_database()
    settings = load_settings(service_environ(database))
    connection = await database.connect()
    try:
        # An active user with a password, who holds every permission but `*:*` for ever.
        await connection.execute(
            "WITH role AS (INSERT INTO roles (id, name, title, description) "
            "VALUES (gen_random_uuid(), 'manager', 'Manager', '') RETURNING id), "
            "member AS (INSERT INTO users (id, email, display_name, password_hash) "
            "VALUES (gen_random_uuid(), 'ada@example.org', 'Ada', 'no hash of anything') RETURNING id), "
            "grants AS (INSERT INTO role_permissions (role_id, permission_id) "
            "SELECT role.id, permissions.id FROM role, permissions WHERE permissions.name <> '*:*') "
            "INSERT INTO user_roles (id, user_id, role_id) "
            "SELECT gen_random_uuid(), member.id, role.id FROM member, role"
        )

        made, again = await bootstrap_administrator(settings), await bootstrap_administrator(settings)

        assert (made and made.email, again) == (ADMIN_EMAIL, None)
        assert await connection.fetchval("SELECT count(*) FROM users") == 2
    finally:
        await connection.close()
