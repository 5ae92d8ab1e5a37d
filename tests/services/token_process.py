"""A process that reads access tokens, with keys that a test replaces and retires."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from cms_service.core.config import SigningAlgorithm
from cms_service.core.database import WorkFactory
from cms_service.core.dependencies import SystemEntropy
from cms_service.core.security import Sealer
from cms_service.schemas import SigningKeyRead
from cms_service.services import AccessTokenReader, KeyRing, KeySchedule, SigningKeyService
from tests.clocks import SetClock
from tests.forgeries import CODEC, SESSION_ID, USER_ID

SECOND = timedelta(seconds=1)
SCHEDULE = KeySchedule(
    SigningAlgorithm.EDDSA,
    signs_for=timedelta(days=90),
    published_ahead=timedelta(days=1),
    token_lifetime=timedelta(minutes=5),
)
"""Keys are retired some minutes after they were replaced, long before the tokens of `CODEC` are over."""


class TokenProcess:
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
