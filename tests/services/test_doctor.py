"""The doctor, on databases that are really in the state that it has to notice."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import DatabaseProbe, create_engine, unit_of_work
from cms_service.core.exceptions import NotMigrated, ServiceUnavailable
from cms_service.core.security import Sealer, derive_key
from cms_service.operating import create_administrator, diagnose, signing_keys
from cms_service.schemas import Diagnosis, Finding, Verdict
from cms_service.services import Doctor, KeySchedule
from tests.clocks import SkewedClock
from tests.findings import CANARY, verdicts_of
from tests.fixtures import Database, DatabaseFactory, run_command, service_environ

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
PASSWORD = "fifteen characters or more"


def settings_for(database: Database, **overrides: str) -> Settings:
    good = {"database_fast_lane_connections": "1", "password_hashing": "standard"}
    return load_settings(service_environ(database, **good | overrides))


def is_odd(diagnosis: Diagnosis) -> dict[str, Verdict]:
    """The verdicts on what is not well."""
    return {check: verdict for check, verdict in verdicts_of(diagnosis.findings).items() if verdict is not OK}


def finding(diagnosis: Diagnosis, check: str) -> Finding:
    return next(finding for finding in diagnosis.findings if finding.check == check)


@pytest.fixture
async def healthy(fresh_database: DatabaseFactory) -> Database:
    """With an administrator and a signing key."""
    database = await fresh_database()
    settings = settings_for(database)
    await create_administrator(settings, "ann@example.org", PASSWORD)
    async with signing_keys(settings) as keys:
        await keys.keep_up()
    return database


async def execute(database: Database, *statements: str) -> None:
    connection = await database.connect()
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def versions_of_rows(database: Database) -> set[tuple[str, int, str]]:
    """Every row of every table, with the transaction that wrote it."""
    connection = await database.connect()
    tables = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    rows = [
        (table, row["version"], row["content"])
        for (table,) in tables
        for row in await connection.fetch(
            f'SELECT xmin::text::bigint AS version, it::text AS content FROM "{table}" it'  # noqa: S608 - of the catalog
        )
    ]
    await connection.close()
    return set(rows)


async def test_nothing_is_wrong_and_nothing_is_changed_when_all_is_well(healthy: Database) -> None:
    before = await versions_of_rows(healthy)

    diagnosis = await diagnose(settings_for(healthy))

    assert is_odd(diagnosis) == {}
    assert diagnosis.verdict is OK
    assert len(diagnosis.findings) == 17
    assert len(before) > 4, "the administrator, the role, the key"
    assert await versions_of_rows(healthy) == before


async def test_postgresql_lets_nothing_be_changed(healthy: Database) -> None:
    await execute(
        healthy,
        "CREATE TABLE written (at timestamptz)",
        "CREATE FUNCTION writes() RETURNS boolean VOLATILE LANGUAGE sql AS "
        "'INSERT INTO written VALUES (now()); SELECT true'",
        "ALTER TABLE signing_keys RENAME TO stored_keys",
        "CREATE VIEW signing_keys AS SELECT * FROM stored_keys WHERE writes()",
    )

    diagnosis = await diagnose(settings_for(healthy))

    assert is_odd(diagnosis) == {"database_work": FAIL}
    connection = await healthy.connect()
    assert await connection.fetchval("SELECT count(*) FROM written") == 0
    await connection.close()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE alembic_version SET version_num = 'access_changes'"], {"migrations": FAIL}),
        (["UPDATE alembic_version SET version_num = 'of_next_year'"], {"migrations": WARN}),
        (["ALTER DATABASE {name} SET default_transaction_read_only = on"], {"database": FAIL, "direct_database": FAIL}),
        (["ALTER DATABASE {name} CONNECTION LIMIT 11"], {"connections": FAIL}),
        (["ALTER DATABASE {name} CONNECTION LIMIT 23"], {"connections": WARN}),
        (["DELETE FROM user_roles"], {"administrator": FAIL}),
        (["UPDATE signing_keys SET active_from = active_from - interval '1 year'"], {"signing_keys": WARN}),
        (["DROP TABLE {this_month}"], {"audit_partitions": FAIL}),
        (["DROP TABLE {next_month}"], {"audit_partitions": WARN}),
        (
            ["INSERT INTO audit_events (id, action, target_type, at) SELECT gen_random_uuid(), 'a', 'b', '2001-01-01'"],
            {"audit_partitions": WARN},
        ),
    ],
)
async def test_state_of_the_database_is_noticed(
    healthy: Database, statements: Sequence[str], expected: dict[str, Verdict]
) -> None:
    this_month = datetime.now().astimezone().replace(day=1)
    next_month = this_month + timedelta(days=31)
    names = {
        "name": healthy.name,
        "this_month": f"audit_events_{this_month:%Y_%m}",
        "next_month": f"audit_events_{next_month:%Y_%m}",
    }
    await execute(healthy, *(statement.format(**names) for statement in statements))

    diagnosis = await diagnose(settings_for(healthy))

    assert is_odd(diagnosis) == expected
    assert diagnosis.verdict is max(expected.values(), key=[OK, WARN, FAIL].index)


async def test_key_that_is_to_be_the_first_signs_already(healthy: Database) -> None:
    """Where the clock of the database is slow, nobody waits for it."""
    await execute(healthy, "UPDATE signing_keys SET active_from = active_from + interval '1 day'")
    settings = settings_for(healthy)
    async with signing_keys(settings) as keys:
        [key] = await keys.list_keys()

    diagnosis = await diagnose(settings)

    changes_at = key.active_from + KeySchedule.of(settings).signs_for
    assert is_odd(diagnosis) == {}
    assert finding(diagnosis, "signing_keys").found == f"{key.kid} signs; the next one will on {changes_at:%Y-%m-%d}"


async def test_key_that_signs_is_the_one_that_became_active_last(healthy: Database) -> None:
    settings = settings_for(healthy)
    async with signing_keys(settings) as keys:
        successor = await keys.rotate(is_immediate=True)
    await execute(
        healthy, "UPDATE signing_keys SET published_at = now() + interval '1 hour' WHERE retires_at IS NOT NULL"
    )

    diagnosis = await diagnose(settings)

    assert finding(diagnosis, "signing_keys").found.startswith(f"{successor.kid} signs;")


async def test_time_zone_of_a_role_is_no_part_of_what_database_it_is(healthy: Database, poor_role: str) -> None:
    await execute(
        healthy,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ALL} TO {poor_role}",
        f"ALTER ROLE {poor_role} SET timezone = 'Asia/Tokyo'",
    )

    diagnosis = await diagnose(settings_for(healthy, database_direct_url=url_of(healthy, poor_role)))

    assert finding(diagnosis, "direct_database").verdict is OK


async def test_pending_revisions_are_named_in_their_order(fresh_database: DatabaseFactory) -> None:
    empty = await diagnose(settings_for(await fresh_database(is_migrated=False)))

    assert is_odd(empty) == {"migrations": FAIL}
    assert "the database is at base; pending: accounts_and_access, audit_trail, " in finding(empty, "migrations").found
    assert finding(empty, "migrations").advice == "Run `cms-service migrate`."
    assert empty.findings[-1].check == "migrations", "what builds on it is left out"


async def test_unreachable_database_is_told_without_its_password(healthy: Database) -> None:
    away = f"postgresql://cms:{CANARY}@127.0.0.1:1/cms"
    nobody = make_url(healthy.url).set(username="nobody-here", password=CANARY).render_as_string(hide_password=False)

    diagnosis = await diagnose(settings_for(healthy, database_url=away))
    stranger = await diagnose(settings_for(healthy, database_url=nobody.replace("+asyncpg", "")))

    assert is_odd(diagnosis) == is_odd(stranger) == {"database": FAIL, "direct_database": FAIL}
    assert finding(diagnosis, "database").found.startswith("127.0.0.1:1/cms as cms: ")
    assert 'role "nobody-here" does not exist' in finding(stranger, "database").found


async def test_two_addresses_have_to_lead_to_one_database(healthy: Database, fresh_database: DatabaseFactory) -> None:
    other = await fresh_database()

    diagnosis = await diagnose(settings_for(healthy, database_direct_url=other.url))

    assert is_odd(diagnosis)["direct_database"] is FAIL
    assert "is another database" in finding(diagnosis, "direct_database").found


def change_number(data: bytes) -> bytes:
    """Imitate a pooler: it gives its clients backend numbers of its own (BackendKeyData)."""
    start = data.find(b"K\x00\x00\x00\x0c")
    return data if start < 0 else data[: start + 5] + b"\x00\x00\x00\x07" + data[start + 9 :]


def change_channel(data: bytes) -> bytes:
    """No notification comes in on the channel on which the doctor listens."""
    return data.replace(b"cms_doctor_", b"cms_nobody_")


@asynccontextmanager
async def something_in_between(
    database: Database, directory: Path, change: Callable[[bytes], bytes]
) -> AsyncIterator[str]:
    """Lead to the database by a relay that changes what the server sends."""
    host = str(make_url(database.url).query["host"])
    tasks: set[asyncio.Task[None]] = set()

    async def relay(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        while data := await reader.read(65536):
            writer.write(change(data))
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.5432")
        for one in (relay(reader, theirs[1], bytes), relay(theirs[0], writer, change)):
            tasks.add(asyncio.create_task(one))

    async with await asyncio.start_unix_server(accept, directory / ".s.PGSQL.5432"):
        yield f"postgresql://postgres@/{database.name}?host={quote(str(directory))}&port=5432"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_pooler_is_told_from_postgresql(healthy: Database, reachable_path: Path) -> None:
    async with something_in_between(healthy, reachable_path, change_number) as pooler:
        both = is_odd(await diagnose(settings_for(healthy, database_url=pooler)))
        runtime = is_odd(
            await diagnose(settings_for(healthy, database_url=pooler, database_direct_url=healthy.url, workers="9"))
        )
        direct = is_odd(await diagnose(settings_for(healthy, database_direct_url=pooler)))

    assert both == {"pooler": FAIL, "direct_database": FAIL}
    assert runtime == {}
    assert direct == {"pooler": WARN, "direct_database": FAIL}


async def test_address_on_which_nothing_is_heard_is_not_that_of_postgresql(
    healthy: Database, reachable_path: Path
) -> None:
    async with something_in_between(healthy, reachable_path, change_channel) as deaf:
        settings = settings_for(healthy, database_direct_url=deaf, database_connect_timeout_seconds="1.5")
        diagnosis = await diagnose(settings)

    assert is_odd(diagnosis) == {"direct_database": FAIL, "pooler": WARN}
    assert "migrations and LISTEN need sessions of their own" in finding(diagnosis, "direct_database").found


async def test_mistake_of_the_doctor_is_no_finding_about_the_database(healthy: Database) -> None:
    await execute(
        healthy,
        "ALTER TABLE signing_keys RENAME TO stored_keys",
        "CREATE VIEW signing_keys AS SELECT * FROM stored_keys WHERE 1 / 0 = 1",
    )

    with pytest.raises(DBAPIError, match="division by zero"):
        await diagnose(settings_for(healthy))


async def test_first_start_makes_the_signing_key_that_is_missing(healthy: Database) -> None:
    await execute(healthy, "DELETE FROM signing_keys")

    diagnosis = await diagnose(settings_for(healthy))

    assert is_odd(diagnosis) == {}
    assert finding(diagnosis, "signing_keys").found == "none yet; the first start makes one"


async def test_secret_keys_are_tried_on_the_signing_keys(healthy: Database) -> None:
    old, new = settings_for(healthy).secret_key.hex(), secrets.token_hex(32)
    wrong = settings_for(healthy, secret_key=new)
    swapped = settings_for(healthy, secret_key=new, secret_key_previous=old)

    refused, before = await diagnose(wrong), await diagnose(swapped)
    async with signing_keys(swapped) as keys:
        await keys.keep_up()
    after = await diagnose(swapped)

    assert is_odd(refused) == {"signing_keys": FAIL}
    assert "CMS_SECRET_KEY is not the one" in finding(refused, "signing_keys").found
    assert is_odd(before) == {"signing_keys": WARN, "previous_secret_key": WARN}
    assert is_odd(after) == {"previous_secret_key": WARN}


@pytest.fixture
async def poor_role(healthy: Database) -> AsyncIterator[str]:
    """One that may sign in and nothing more."""
    role = f"poor_{secrets.token_hex(4)}"
    await execute(healthy, f"CREATE ROLE {role} LOGIN")
    yield role
    await execute(healthy, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


ALL = "ALL TABLES IN SCHEMA public"


@pytest.mark.parametrize(
    ("statements", "check", "found"),
    [
        (["REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"], "database", "permission denied for database"),
        (["REVOKE USAGE ON SCHEMA public FROM PUBLIC"], "database", "may not read the table alembic_version"),
        ([], "database", "may not read the table alembic_version"),
        ([f"GRANT SELECT ON {ALL} TO {{role}}"], "table_privileges", " users (INSERT, UPDATE, DELETE)"),
        ([f"GRANT SELECT, INSERT, DELETE ON {ALL} TO {{role}}"], "table_privileges", " users (UPDATE)"),
        (
            [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ALL} TO {{role}}", "REVOKE DELETE ON throttles FROM {role}"],
            "table_privileges",
            "privileges: throttles (DELETE)",
        ),
    ],
)
async def test_role_without_privileges_is_told(
    healthy: Database, poor_role: str, statements: Sequence[str], check: str, found: str
) -> None:
    await execute(healthy, *(statement.format(name=healthy.name, role=poor_role) for statement in statements))

    diagnosis = await diagnose(settings_for(healthy, database_url=url_of(healthy, poor_role)))

    # What can be looked at only through the database cannot through its direct address either: it is the same here.
    assert is_odd(diagnosis) == ({check: FAIL, "direct_database": FAIL} if check == "database" else {check: FAIL})
    assert found in finding(diagnosis, check).found
    assert "GRANT" in str(finding(diagnosis, check).advice) or "SELECT, INSERT" in str(finding(diagnosis, check).advice)


async def test_role_needs_no_more_than_the_service_does(healthy: Database, poor_role: str) -> None:
    await execute(
        healthy,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ALL} TO {poor_role}",
        f"REVOKE UPDATE, DELETE ON audit_events FROM {poor_role}",
    )
    settings = settings_for(healthy, database_url=url_of(healthy, poor_role))

    enough = await diagnose(settings)
    await execute(healthy, f"REVOKE SELECT ON TABLE audit_events_default FROM {poor_role}")  # noqa: S608 - our own
    unknown = await diagnose(settings)

    assert is_odd(enough) == {}
    assert is_odd(unknown) == {"audit_partitions": WARN}


async def test_role_without_privileges_is_not_told_to_migrate(healthy: Database, poor_role: str) -> None:
    probe = DatabaseProbe(settings_for(healthy, database_url=url_of(healthy, poor_role)))
    with pytest.raises(ServiceUnavailable, match="refuses what it is asked") as refusal:
        await probe.check()
    probe.close()

    assert not isinstance(refusal.value, NotMigrated)


def url_of(database: Database, role: str) -> str:
    return make_url(database.url).set(username=role).render_as_string().replace("+asyncpg", "")


@pytest.mark.parametrize(("seconds", "expected"), [(1, {}), (-10, {"clock": WARN}), (60, {"clock": FAIL})])
async def test_clock_is_compared_with_the_database(
    healthy: Database, seconds: float, expected: dict[str, Verdict]
) -> None:
    settings = settings_for(healthy)
    engine = create_engine(settings)
    sealer = Sealer(derive_key(settings.secret_key, "signing-keys"))

    diagnosis = await Doctor(settings, partial(unit_of_work, engine), sealer, SkewedClock(seconds)).examine()

    await engine.dispose()
    assert is_odd(diagnosis) == expected


@pytest.mark.slow
async def test_command_tells_people_and_machines_and_ends_with_what_it_found(healthy: Database, tmp_path: Path) -> None:
    logged = []

    async def run(*arguments: str, **overrides: str) -> tuple[int, str]:
        environ = service_environ(healthy, **{"password_hashing": "standard"} | overrides)
        outcome = await run_command(environ, "doctor", *arguments, directory=tmp_path)
        logged.append(outcome.err)
        return outcome.code, outcome.out

    away = f"postgresql://cms:{CANARY}@127.0.0.1:1/cms"
    good, machine = await run(), await run("--json")
    failing, wrong = await run("--json", database_url=away), await run("--json", port="http", workers="0")
    new = {"database_url": "", "secret_key": "", "data_dir": str(tmp_path / "none")}
    nothing_there = await run("--json", **new)

    assert good[0] == 0, good[1]
    assert good[1].endswith("\n17 ok, 0 to look at, 0 failing.\n")
    assert (machine[0], json.loads(machine[1])["verdict"]) == (0, "ok")
    assert (failing[0], json.loads(failing[1])["verdict"]) == (1, "fail")
    assert (wrong[0], len(json.loads(wrong[1])["findings"])) == (2, 2)
    assert (nothing_there[0], json.loads(nothing_there[1])["verdict"]) == (2, "fail")
    assert not (tmp_path / "none").exists()
    assert CANARY not in failing[1] + "".join(logged)
