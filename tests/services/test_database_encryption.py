"""Every connection of the service is encrypted as its URL says: there are four ways on which it makes them."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from cms_service.core.config import Settings, load_settings
from cms_service.core.database import ACCESS_CHANNEL, DirectLine, FastLane, create_engine
from cms_service.core.database.fast_lane import Statement
from cms_service.core.database.inspection import ServerFacts, inspect_server
from cms_service.core.dependencies import SystemClock
from tests.fixtures import Database, service_environ
from tests.services.encrypted_line import Certificate, EncryptedLine, make_certificate

Way: TypeAlias = Callable[[Settings], Awaitable[object]]
ONE = Statement(select(text("1")))


async def by_unit_of_work(settings: Settings) -> object:
    engine = create_engine(settings)
    try:
        async with engine.connect() as connection:
            return (await connection.execute(text("SELECT 1"))).scalar_one()
    finally:
        await engine.dispose()


async def by_fast_lane(settings: Settings) -> object:
    lane = FastLane(settings)
    try:
        row = await lane.fetch_row(ONE)
        return row and row[0]
    finally:
        lane.close()


async def by_direct_line(settings: Settings) -> object:
    async with DirectLine.open(settings, ACCESS_CHANNEL, 5) as line:
        return (await line.fetch_row(ONE))[0]


async def by_inspection(settings: Settings) -> object:
    found = await inspect_server(settings.database_url or "", 5, SystemClock().now)
    if not isinstance(found, ServerFacts):
        raise ssl.SSLError(found.reason)
    return 1


WAYS = pytest.mark.parametrize("way", [by_unit_of_work, by_fast_lane, by_direct_line, by_inspection])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture
async def line(database: Database, certificate: Certificate) -> AsyncIterator[EncryptedLine]:
    directory = str(make_url(database.url).query["host"])
    async with EncryptedLine(Path(directory) / ".s.PGSQL.5432", certificate).open() as line:
        yield line


def settings_with(database: Database, url: str) -> Settings:
    return load_settings(service_environ(database, database_url=url))


def settings_over(line: EncryptedLine, database: Database, options: str) -> Settings:
    return settings_with(database, f"postgresql://postgres@localhost:{line.port}/{database.name}{options}")


@WAYS
@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_connection_is_encrypted_when_the_url_asks_for_it(
    way: Way,
    mode: str,
    line: EncryptedLine,
    database: Database,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate.path))

    assert await way(settings_over(line, database, f"?sslmode={mode}")) == 1

    assert line.encrypted == 1


@WAYS
async def test_connection_is_refused_when_another_authority_has_signed(
    way: Way, line: EncryptedLine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(make_certificate(tmp_path, "stranger").path))

    with pytest.raises(ssl.SSLError):
        await way(settings_over(line, database, "?sslmode=verify-full"))


@WAYS
async def test_connection_is_made_in_clear_when_the_url_says_so(way: Way, database: Database) -> None:
    url = database.url.replace("+asyncpg", "")

    assert await way(settings_with(database, f"{url}&sslmode=disable")) == 1
