import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from cms_service.core.database import (
    alembic_commands,
    current_revision,
    downgrade,
    head_revision,
    is_current,
    migration_connection,
    migrations,
    revisions,
    upgrade,
)
from tests.eventually import eventually
from tests.fixtures import Database, DatabaseFactory, run_command, service_environ

REPOSITORY = Path(__file__).parents[2]
EVERYTHING = """
    SELECT kind || ' ' || name FROM (
        SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
    ) AS objects (kind, name) WHERE name NOT LIKE '%alembic_version%' ORDER BY 1
"""
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE relid = 'audit_events_default'::regclass"
INVALID_INDEXES = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
INDEX_ID = "SELECT to_regclass('audit_events_default_ip_at_id_idx')::oid"
REVISION = """
from alembic import op

revision = "{name}"
down_revision = "{after}"


def upgrade():
    for statement in {statements!r}:
        op.execute(statement)


def downgrade():
    pass
"""


@pytest.fixture
async def empty(fresh_database: DatabaseFactory) -> Database:
    return await fresh_database(is_migrated=False)


@pytest.fixture
async def migrated(fresh_database: DatabaseFactory) -> Database:
    return await fresh_database()


@pytest.fixture
def add_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds a revision behind the newest one, in a copy of the migrations."""
    directory = shutil.copytree(REPOSITORY / "migrations", tmp_path / "migrations")
    last = head_revision()

    def add(name: str, *statements: str) -> None:
        nonlocal last
        (directory / f"versions/9999_{name}.py").write_text(
            REVISION.format(name=name, after=last, statements=statements)
        )
        last = name

    with monkeypatch.context() as patch:
        for module in (alembic_commands, revisions):
            patch.setattr(module, "migrations_directory", lambda: directory)
        yield add
    revisions.known_revisions.cache_clear()


async def objects(database: Database) -> list[str]:
    connection = await database.connect()
    try:
        return [row[0] for row in await connection.fetch(EVERYTHING)]
    finally:
        await connection.close()


async def test_models_are_what_the_migrations_make(migrated: Database) -> None:
    async with migration_connection(migrated.url) as connection:
        await connection.run_sync(lambda sync: command.check(alembic_commands.config_for(sync)))


async def test_downgrade_to_base_leaves_nothing(migrated: Database) -> None:
    assert await objects(migrated) != []

    await asyncio.to_thread(downgrade, migrated.url, "base")

    assert await objects(migrated) == []
    assert await asyncio.to_thread(current_revision, migrated.url) is None


async def test_session_from_before_step_up_counts_as_authenticated_long_ago(empty: Database) -> None:
    await asyncio.to_thread(upgrade, empty.url, "system_roles")
    db = await empty.connect()
    await db.execute(
        "WITH ada AS (INSERT INTO users (id, email, display_name)"
        " VALUES (gen_random_uuid(), 'ada@example.org', 'Ada') RETURNING id)"
        " INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at)"
        " SELECT gen_random_uuid(), id, 'secret', now(), now() FROM ada"
    )

    await asyncio.to_thread(upgrade, empty.url, "step_up_and_throttles")

    assert await db.fetchval("SELECT extract(epoch FROM authenticated_at)::int FROM refresh_tokens") == 0
    await db.close()


async def test_audit_events_are_written_while_their_index_is_built(empty: Database) -> None:
    await asyncio.to_thread(upgrade, empty.url, "idempotency_keys")
    busy, other = await empty.connect(), await empty.connect()
    async with busy.transaction():
        # Not through the parent table, whose own index is empty and made in a moment.
        await busy.execute("INSERT INTO audit_events_default (at, id, action) VALUES ('1999-01-01', $1, 'a')", uuid4())
        building = asyncio.create_task(asyncio.to_thread(upgrade, empty.url, "audit_ip"))
        await eventually(lambda: other.fetchval(BUILDING))

        await other.execute("SET statement_timeout = '5s'")
        await other.execute("INSERT INTO audit_events (at, id, action) VALUES ('1999-01-01', $1, 'b')", uuid4())

        assert not building.done()
    await building

    assert await other.fetchval(INVALID_INDEXES) == 0
    for connection in (busy, other):
        await connection.close()


@pytest.mark.parametrize("is_valid", [False, True])
async def test_index_is_completed_when_its_migration_was_interrupted(empty: Database, is_valid: bool) -> None:
    await asyncio.to_thread(upgrade, empty.url, "idempotency_keys")
    db = await empty.connect()
    await db.execute("CREATE INDEX ix_audit_events_ip ON ONLY audit_events (ip, at, id)")
    await db.execute("CREATE INDEX audit_events_default_ip_at_id_idx ON audit_events_default (ip, at, id)")
    made = await db.fetchval(INDEX_ID)
    await db.execute("UPDATE pg_index SET indisvalid = $2 WHERE indexrelid = $1", made, is_valid)

    await asyncio.to_thread(upgrade, empty.url, "audit_ip")

    assert await db.fetchval(INVALID_INDEXES) == 0
    assert (await db.fetchval(INDEX_ID) == made) is is_valid
    await db.close()


async def test_every_revision_can_be_undone_and_done_again(empty: Database) -> None:
    known = revisions.known_revisions()
    before: list[str] = []
    for revision, previous in zip(known, ["base", *known], strict=False):
        await asyncio.to_thread(upgrade, empty.url, revision)
        after = await objects(empty)
        await asyncio.to_thread(downgrade, empty.url, previous)
        assert await objects(empty) == before
        await asyncio.to_thread(upgrade, empty.url, revision)
        assert await objects(empty) == after
        before = after


async def test_upgrade_changes_nothing_when_there_is_nothing_to_do(migrated: Database) -> None:
    before = await objects(migrated)

    await asyncio.to_thread(upgrade, migrated.url)

    assert await objects(migrated) == before


async def test_upgrade_renews_the_months_of_the_audit_trail(migrated: Database) -> None:
    before = await objects(migrated)
    newest = max(name for name in before if re.fullmatch(r"relation audit_events_\d{4}_\d{2}", name)).split()[1]
    connection = await migrated.connect()
    await connection.execute(f"DROP TABLE {newest}")
    await connection.close()

    await asyncio.to_thread(upgrade, migrated.url)

    assert await objects(migrated) == before


@pytest.mark.slow
async def test_processes_take_turns_when_they_migrate_at_once(empty: Database) -> None:
    environ = service_environ(empty)
    outcomes = await asyncio.gather(*(run_command(environ, "migrate", directory=REPOSITORY) for _ in range(3)))

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert sum("migrated base ->" in outcome.out + outcome.err for outcome in outcomes) == 1
    assert all(f"The database is at {head_revision()}." in outcome.out for outcome in outcomes)


async def test_upgrade_waits_for_whoever_is_migrating(empty: Database) -> None:
    async with migration_connection(empty.url):
        waiting = asyncio.create_task(asyncio.to_thread(upgrade, empty.url))
        await asyncio.sleep(3 * migrations.LOCK_POLL_SECONDS)
        assert not waiting.done()
        assert await objects(empty) == []
    await waiting

    assert await asyncio.to_thread(current_revision, empty.url) == head_revision()


async def test_failing_migration_leaves_nothing_and_those_before_it_stay(
    migrated: Database, add_revision: Callable[..., None]
) -> None:
    add_revision("good", "CREATE TABLE whole (number integer)")
    add_revision("bad", "CREATE TABLE half (number integer)", "INSERT INTO half VALUES (1)", "SELECT 1 / 0")
    before = await objects(migrated)

    with pytest.raises(DBAPIError, match="division by zero"):
        await asyncio.to_thread(upgrade, migrated.url)

    assert set(await objects(migrated)) - set(before) == {"relation whole", "type whole", "type _whole"}
    assert await asyncio.to_thread(current_revision, migrated.url) == "good"


async def test_migration_gives_up_when_a_table_stays_locked(
    migrated: Database, add_revision: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_revision("wide", "ALTER TABLE users ADD COLUMN number integer")
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MILLISECONDS", 100)
    busy = await migrated.connect()
    async with busy.transaction():
        await busy.execute("SELECT FROM users")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(upgrade, migrated.url)
    await busy.close()

    assert await asyncio.to_thread(current_revision, migrated.url) != "wide"


async def test_database_of_a_later_version_is_left_alone(migrated: Database) -> None:
    connection = await migrated.connect()
    await connection.execute("UPDATE alembic_version SET version_num = 'of_the_future'")
    await connection.close()

    await asyncio.to_thread(upgrade, migrated.url)

    assert await asyncio.to_thread(current_revision, migrated.url) == "of_the_future"


async def test_revisions_are_those_of_alembic_when_their_files_are_read(migrated: Database) -> None:
    async with migration_connection(migrated.url) as connection:
        config = await connection.run_sync(alembic_commands.config_for)

    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(revisions.known_revisions()) == walked[::-1]


def test_only_an_earlier_revision_is_not_current() -> None:
    *earlier, _ = revisions.known_revisions()

    assert is_current(head_revision())
    assert is_current("of_the_future")
    assert not any(map(is_current, [*earlier, None]))


async def test_connection_is_closed_when_the_migration_has_ended(migrated: Database, db: asyncpg.Connection) -> None:
    await asyncio.to_thread(upgrade, migrated.url)

    # Autovacuum may be there.
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'"
    assert await db.fetchval(query, migrated.name) == 0
