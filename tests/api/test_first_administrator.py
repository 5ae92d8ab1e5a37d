"""The first administrator is made once, also by processes that start together."""

import asyncio

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import EmailTaken
from cms_service.operating import bootstrap_administrator
from cms_service.parts import make_password_hasher, make_password_policy
from cms_service.services import AdministratorService
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, DatabaseFactory, ServiceFactory, service_environ
from tests.services.interrupted import interrupted


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


@pytest.mark.parametrize(
    ("number", "statement", "email"),
    [
        (2, "AND users.email =", ADMIN_EMAIL),
        (3, "pg_advisory_xact_lock", "other@example.org"),
    ],
)
async def test_one_administrator_is_made_when_another_process_is_faster(
    fresh_database: DatabaseFactory, number: int, statement: str, email: str
) -> None:
    """Before the statement of this number: the second looks for the address, the third takes the lock."""
    database = await fresh_database()
    # Behind a pooler there would be one statement more.
    settings = load_settings(service_environ(database, database_url=database.url))
    engine, hasher = create_engine(settings), make_password_hasher(settings)

    with interrupted(engine, number, lambda: bootstrap_administrator(settings)) as statements:
        async with unit_of_work(engine) as work:
            administrators = AdministratorService(work, hasher, make_password_policy(settings))
            is_made = await administrators.create_first(email, ADMIN_PASSWORD)

    hasher.close()
    await engine.dispose()
    connection = await database.connect()
    assert await connection.fetchval("SELECT array_agg(email::text) FROM users") == [ADMIN_EMAIL]
    await connection.close()
    assert not is_made
    assert statement in statements[number - 1]


async def test_operator_is_told_when_the_address_belongs_to_somebody_who_is_no_administrator(
    fresh_database: DatabaseFactory,
) -> None:
    database = await fresh_database()
    connection = await database.connect()
    await connection.execute(
        "INSERT INTO users (id, email, display_name) VALUES (gen_random_uuid(), $1, 'Ada')", ADMIN_EMAIL
    )

    with pytest.raises(EmailTaken):
        await bootstrap_administrator(load_settings(service_environ(database)))

    assert await connection.fetchval("SELECT count(*) FROM user_roles") == 0
    await connection.close()
