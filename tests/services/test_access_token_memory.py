"""Access tokens that were verified before: for how long they are remembered, and how many of them."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import TokenInvalid
from cms_service.services import access_tokens
from tests.fixtures import DatabaseFactory, service_environ
from tests.forgeries import LIFETIME
from tests.services.token_process import SECOND, TokenProcess


@pytest.fixture
async def process(fresh_database: DatabaseFactory) -> AsyncIterator[TokenProcess]:
    engine = create_engine(load_settings(service_environ(await fresh_database())))
    yield TokenProcess(partial(unit_of_work, engine))
    await engine.dispose()


async def test_token_is_verified_once(process: TokenProcess) -> None:
    token = await process.token()

    first = await process.reader.read(token)

    # A second verification would make claims that are equal, yet others.
    assert await process.reader.read(token) is first
    assert (process.reader.misses, process.reader.hits) == (1, 1)


async def test_token_is_verified_anew_when_its_time_is_over(process: TokenProcess) -> None:
    token = await process.token()
    expires_at = process.clock.at + LIFETIME
    first = await process.reader.read(token)

    process.clock.at = expires_at - SECOND
    assert await process.reader.read(token) is first
    process.clock.at = expires_at
    assert await process.reader.read(token) is not first


async def test_remembered_token_is_refused_from_when_its_key_no_longer_verifies(process: TokenProcess) -> None:
    token = await process.token()
    retires_at = (await process.replace_key()).retires_at
    assert retires_at is not None
    first = await process.reader.read(token)

    process.clock.at = retires_at - SECOND
    assert await process.reader.read(token) is first
    process.clock.at = retires_at
    with pytest.raises(TokenInvalid):
        await process.reader.read(token)


async def test_remembered_token_is_refused_when_an_operator_has_retired_its_key(process: TokenProcess) -> None:
    token = await process.token()
    replaced = await process.replace_key()
    first = await process.reader.read(token)
    assert await process.reader.read(token) is first

    await process.retire(replaced.kid)
    with pytest.raises(TokenInvalid):
        await process.reader.read(token)


async def test_only_so_many_tokens_are_remembered_and_the_oldest_is_forgotten_first(
    process: TokenProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "MOST_REMEMBERED_TOKENS", 3)
    tokens = [await process.token() for _ in range(4)]

    claims = [await process.reader.read(token) for token in tokens]

    assert len(process.reader) == 3
    # From the youngest on: reading the oldest anew makes the next one be forgotten.
    again = [await process.reader.read(token) for token in reversed(tokens)]
    assert [new is old for new, old in zip(again, reversed(claims), strict=True)] == [True, True, True, False]
    assert len(process.reader) == 3
