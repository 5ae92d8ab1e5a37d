"""Whether requests should be sent to a process."""

import secrets
from collections.abc import Sequence

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import DatabaseProbe, create_engine
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable
from cms_service.operating import signing_keys
from cms_service.parts import make_key_ring, make_password_hasher
from cms_service.services import Readiness
from tests.fixtures import Database, DatabaseFactory, service_environ

Refusal = tuple[type[ServiceUnavailable], str, int | None]
"""The kind, what is said to people, and after how many seconds it may be otherwise."""
NOT_MIGRATED = (NotMigrated, "The database is not migrated.", 5)


async def ask(database: Database, *, has_to_leave: bool = False, **overrides: str) -> tuple[Refusal | None, bool]:
    """Why the process is not ready, if it is not, and whether its metrics say that the database is."""
    settings = load_settings(service_environ(database, **overrides))
    engine, probe = create_engine(settings), DatabaseProbe(settings)
    hasher = make_password_hasher(settings)
    readiness = Readiness(lambda: has_to_leave, probe.check, make_key_ring(settings, engine), hasher)
    refusal: Refusal | None = None
    try:
        await readiness.check()
    except ServiceUnavailable as error:
        refusal = type(error), str(error), error.retry_after_seconds
    database_is_ready = await probe.is_ready()
    hasher.close()
    probe.close()
    await engine.dispose()
    return refusal, database_is_ready


@pytest.mark.parametrize(
    ("statements", "refusal"),
    [
        ([], None),
        # A later version was here; it only adds what this one does not need.
        (["UPDATE alembic_version SET version_num = 'of_next_year'"], None),
        (["UPDATE alembic_version SET version_num = 'access_changes'"], NOT_MIGRATED),
        (["DELETE FROM alembic_version"], NOT_MIGRATED),
        (["DROP TABLE alembic_version"], NOT_MIGRATED),
        (
            ["ALTER TABLE alembic_version RENAME version_num TO version_number"],
            (ServiceUnavailable, "The database refuses what it is asked.", 5),
        ),
    ],
)
async def test_process_is_ready_when_its_database_is_migrated(
    fresh_database: DatabaseFactory, statements: Sequence[str], refusal: Refusal | None
) -> None:
    database = await fresh_database()
    connection = await database.connect()
    for statement in statements:
        await connection.execute(statement)
    await connection.close()

    assert await ask(database) == (refusal, refusal is None)


async def test_process_is_not_ready_when_its_secret_key_does_not_open_the_signing_keys(
    fresh_database: DatabaseFactory,
) -> None:
    database = await fresh_database()
    async with signing_keys(load_settings(service_environ(database))) as keys:
        await keys.keep_up()

    found = await ask(database, secret_key=secrets.token_hex(32))

    assert found == ((ServiceUnavailable, "The secret key does not open the signing keys.", 5), True)


async def test_process_is_not_ready_when_it_is_about_to_end(database: Database) -> None:
    assert await ask(database) == (None, True)
    assert await ask(database, has_to_leave=True) == ((ServiceUnavailable, "This process is about to end.", 1), True)


async def test_process_is_not_ready_when_its_database_does_not_answer(database: Database) -> None:
    away = database.url.replace(database.name, "no_such_database")

    assert await ask(database, database_url=away) == ((ServiceUnavailable, "The database does not answer.", 1), False)
