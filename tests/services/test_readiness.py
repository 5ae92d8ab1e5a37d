"""Whether requests should be sent to a process: over HTTP, as a load balancer asks."""

import secrets
from collections.abc import Sequence

import pytest

from cms_service.app import create_app
from cms_service.core.config import load_settings
from cms_service.operating import signing_keys
from tests.api.metrics_page import Scrape
from tests.fixtures import Database, DatabaseFactory, service_environ
from tests.unit.asgi import Answer, exchange


async def ask(database: Database, *, has_to_leave: bool = False, **overrides: str) -> tuple[Answer, float]:
    """Whether the process is ready, and whether its metrics say that the database is."""
    app = create_app(load_settings(service_environ(database, **overrides)), has_to_leave=lambda: has_to_leave)
    ready = await exchange(app, "GET", "/health/ready")
    assert (await exchange(app, "GET", "/health/live")).status == 200
    page = Scrape((await exchange(app, "GET", "/metrics")).body.decode())
    await app.litestar.state.engine.dispose()
    return ready, page.total("cms_database_ready")


@pytest.mark.parametrize(
    ("statements", "is_ready"),
    [
        ([], True),
        # A later version was here; it only adds what this one does not need.
        (["UPDATE alembic_version SET version_num = 'of_next_year'"], True),
        (["UPDATE alembic_version SET version_num = 'access_changes'"], False),
        (["DELETE FROM alembic_version"], False),
        (["DROP TABLE alembic_version"], False),
    ],
)
async def test_process_is_ready_when_its_database_is_migrated(
    fresh_database: DatabaseFactory, statements: Sequence[str], is_ready: bool
) -> None:
    database = await fresh_database()
    connection = await database.connect()
    for statement in statements:
        await connection.execute(statement)
    await connection.close()

    answer, database_is_ready = await ask(database)

    assert database_is_ready == is_ready
    assert answer.status == (200 if is_ready else 503)
    if not is_ready:
        assert answer.json()["detail"] == "The database is not migrated."
        assert answer.headers["retry-after"] == "5"


async def test_process_is_not_ready_when_its_secret_key_does_not_open_the_signing_keys(
    fresh_database: DatabaseFactory,
) -> None:
    database = await fresh_database()
    async with signing_keys(load_settings(service_environ(database))) as keys:
        await keys.keep_up()

    answer, database_is_ready = await ask(database, secret_key=secrets.token_hex(32))

    assert (answer.status, answer.headers["retry-after"], database_is_ready) == (503, "5", 1)
    assert answer.json()["detail"] == "The secret key does not open the signing keys."


async def test_process_is_not_ready_when_it_is_about_to_end(database: Database) -> None:
    staying, _ = await ask(database)
    leaving, _ = await ask(database, has_to_leave=True)

    assert (staying.status, leaving.status) == (200, 503)
    assert leaving.json()["detail"] == "This process is about to end."
    assert leaving.headers["retry-after"] == "1"


async def test_process_is_not_ready_when_its_database_does_not_answer(database: Database) -> None:
    away = database.url.replace(database.name, "no_such_database")

    answer, database_is_ready = await ask(database, database_url=away)

    assert (answer.status, answer.headers["retry-after"], database_is_ready) == (503, "1", 0)
    assert answer.json()["detail"] == "The database does not answer."
