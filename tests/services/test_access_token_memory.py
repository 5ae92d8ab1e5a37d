"""Access tokens that were verified before: for how long they are remembered, and how many of them."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from cms_service.core.config import SigningAlgorithm, load_settings
from cms_service.core.database import WorkFactory, create_engine, unit_of_work
from cms_service.core.dependencies import SystemEntropy
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import Sealer
from cms_service.schemas import SigningKeyRead
from cms_service.services import AccessTokenReader, KeyRing, KeySchedule, SigningKeyService, access_tokens
from tests.clocks import SetClock
from tests.fixtures import DatabaseFactory, service_environ
from tests.forgeries import CODEC, LIFETIME, SESSION_ID, USER_ID

SECOND = timedelta(seconds=1)
SCHEDULE = KeySchedule(
    SigningAlgorithm.EDDSA,
    signs_for=timedelta(days=90),
    published_ahead=timedelta(days=1),
    token_lifetime=timedelta(minutes=5),
)
"""Keys are retired some minutes after they were replaced, long before the tokens of `CODEC` are over."""


class Process:
    """One that reads tokens."""

    def __init__(self, work: WorkFactory) -> None:
        self._work = work
        self._sealer = Sealer(secrets.token_bytes(32))
        self.clock = SetClock(int(time.time()))  # Tokens tell whole seconds.
        self.ring = KeyRing(work, self._sealer, SCHEDULE, self.clock, SystemEntropy())
        self.reader = AccessTokenReader(self.ring, CODEC, self.clock)

    async def token(self) -> str:
        """A new one."""
        return CODEC.sign(
            await self.ring.signer(),
            user_id=USER_ID,
            session_id=SESSION_ID,
            authenticated_at=self.clock.at,
            token_id=str(uuid4()),
            now=self.clock.at,
        )

    async def replace_key(self) -> SigningKeyRead:
        """The key that signed until now, with the time until which it verifies. The process has read it anew."""
        async with self._keys() as keys:
            await keys.rotate(is_immediate=True)
        async with self._keys() as keys:
            replaced, _ = await keys.list_keys()
        await self._read_keys()
        return replaced

    async def retire(self, kid: str) -> None:
        """As an operator does. The process has read the keys anew."""
        async with self._keys() as keys:
            await keys.retire(kid)
        await self._read_keys()

    @asynccontextmanager
    async def _keys(self) -> AsyncIterator[SigningKeyService]:
        async with self._work() as work:
            yield SigningKeyService(work, self._sealer, SCHEDULE, SystemEntropy())

    async def _read_keys(self) -> None:
        """As when a token names a key that is not known."""
        self.clock.at += SECOND
        assert await self.ring.verifier("unknown") is None


@pytest.fixture
async def process(fresh_database: DatabaseFactory) -> AsyncIterator[Process]:
    engine = create_engine(load_settings(service_environ(await fresh_database())))
    yield Process(partial(unit_of_work, engine))
    await engine.dispose()


async def test_token_is_verified_once(process: Process) -> None:
    token = await process.token()

    first = await process.reader.read(token)

    # A second verification would make claims that are equal, yet others.
    assert await process.reader.read(token) is first
    assert (process.reader.misses, process.reader.hits) == (1, 1)


async def test_token_is_verified_anew_when_its_time_is_over(process: Process) -> None:
    token = await process.token()
    expires_at = process.clock.at + LIFETIME
    first = await process.reader.read(token)

    process.clock.at = expires_at - SECOND
    assert await process.reader.read(token) is first
    process.clock.at = expires_at
    assert await process.reader.read(token) is not first


async def test_remembered_token_is_refused_from_when_its_key_no_longer_verifies(process: Process) -> None:
    token = await process.token()
    retires_at = (await process.replace_key()).retires_at
    assert retires_at is not None
    first = await process.reader.read(token)

    process.clock.at = retires_at - SECOND
    assert await process.reader.read(token) is first
    process.clock.at = retires_at
    with pytest.raises(TokenInvalid):
        await process.reader.read(token)


async def test_remembered_token_is_refused_when_an_operator_has_retired_its_key(process: Process) -> None:
    token = await process.token()
    replaced = await process.replace_key()
    first = await process.reader.read(token)
    assert await process.reader.read(token) is first

    await process.retire(replaced.kid)
    with pytest.raises(TokenInvalid):
        await process.reader.read(token)


async def test_only_so_many_tokens_are_remembered_and_the_oldest_is_forgotten_first(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_tokens, "MOST_REMEMBERED_TOKENS", 3)
    tokens = [await process.token() for _ in range(4)]

    claims = [await process.reader.read(token) for token in tokens]

    assert len(process.reader) == 3
    # From the youngest on: reading the oldest anew makes the next one be forgotten.
    again = [await process.reader.read(token) for token in reversed(tokens)]
    assert [new is old for new, old in zip(again, reversed(claims), strict=True)] == [True, True, True, False]
    assert len(process.reader) == 3
