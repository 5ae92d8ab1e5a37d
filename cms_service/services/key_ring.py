"""The keys that sign and verify access tokens, as this process knows them."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
import structlog

from cms_service.core.database import WorkFactory, translate_error
from cms_service.core.dependencies import Clock, Entropy
from cms_service.core.exceptions import ConfigurationError, ServiceUnavailable
from cms_service.core.security import Sealer, SigningKey, SigningKeySet, VerificationKey
from cms_service.models import SigningKey as SigningKeyRow
from cms_service.repositories import SigningKeyRepository
from cms_service.schemas import JsonWebKey, JsonWebKeySet
from cms_service.services.signing_keys import (
    TRUSTED_FOR_SECONDS,
    KeySchedule,
    SigningKeyService,
    needs_upkeep,
    open_key,
)

RETRY_AFTER_SECONDS = 1
TRUSTED_FOR = timedelta(seconds=TRUSTED_FOR_SECONDS)
LOOK_UP_AT_MOST_EVERY = timedelta(seconds=1)
"""Tokens that name unknown keys cannot make this process read the table more often."""

_log = structlog.get_logger("cms_service.key_ring")


class PublishedKeys(msgspec.Struct, frozen=True):
    """The key set, and what a cache needs to know of it."""

    key_set: JsonWebKeySet
    entity_tag: str
    max_age_seconds: int


class KeyRing:
    """Knows the keys of the database, and has the next one made when it is time for it."""

    def __init__(
        self, work: WorkFactory, sealer: Sealer, schedule: KeySchedule, clock: Clock, entropy: Entropy
    ) -> None:
        self._work = work
        self._sealer = sealer
        self._schedule = schedule
        self._clock = clock
        self._entropy = entropy
        self._keys = SigningKeySet()
        self._is_upkeep_due = False
        self._unreadable: frozenset[str] = frozenset()
        self._loaded_at: datetime | None = None
        self._looked_up_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None

    async def keep_fresh(self) -> None:
        """Reads the keys now and again until cancelled, so that no request has to wait for them."""
        while True:
            try:
                await self._load()
                if self._is_upkeep_due:
                    await self._keep_up()
                    await self._load()
                await asyncio.sleep(self._schedule.reload_seconds)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                if translate_error(error) is None:
                    _log.exception("signing_keys_not_read")
                await asyncio.sleep(RETRY_AFTER_SECONDS)

    async def signer(self) -> SigningKey:
        """The key to sign with. Raises ServiceUnavailable where none can be read."""
        if self._loaded_at is None or self._has_passed(TRUSTED_FOR, self._loaded_at):
            await self._load()
        key = self._keys.signer(self._clock.now())
        if key is None:
            raise ServiceUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        return key

    def knows(self, kid: str) -> bool:
        """Whether tokens that the key signed still count, as far as this process knows."""
        return self._keys.verifier(kid, self._clock.now()) is not None

    async def verifier(self, kid: str) -> VerificationKey | None:
        """What verifies the tokens of the key named `kid`, while they count."""
        key = self._keys.verifier(kid, self._clock.now())
        if key is None and self._reading is not None and not self._reading.done():
            # What is being read may have been read before the key was made: if so, it is read again below.
            await self._load()
            key = self._keys.verifier(kid, self._clock.now())
        if key is None and self._may_look_up():
            await self._load()
            key = self._keys.verifier(kid, self._clock.now())
        return key

    async def public_keys(self) -> PublishedKeys:
        """What verifiers outside this service need."""
        if self._loaded_at is None:
            await self._load()
        key_set = JsonWebKeySet([JsonWebKey(**jwk) for jwk in self._keys.public_jwks(self._clock.now())])
        digest = sha256(msgspec.json.encode(key_set)).hexdigest()
        return PublishedKeys(key_set, f'"{digest}"', self._schedule.caching_seconds)

    async def check(self) -> None:
        """Raises ConfigurationError where a key was stored under another secret key than those in the settings."""
        async with self._work() as work:
            for row in await SigningKeyRepository(work).list_unretired():
                open_key(row, self._sealer)

    async def check_readable(self) -> None:
        """Raises ServiceUnavailable where this process has another secret key than the database was set up with."""
        if self._loaded_at is None:
            await self._load()
        if self._unreadable:
            raise ServiceUnavailable("The secret key does not open the signing keys.", retry_after_seconds=5)

    async def _load(self) -> None:
        """Reads the keys, once for all who want to know at the same time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_retrieve_error)
        reading = self._reading
        # A request that gives up does not end the read for the others.
        await asyncio.wait({reading})
        reading.result()

    async def _read(self) -> None:
        rows = await self._list_rows()
        if not rows:
            await self._keep_up()
            rows = await self._list_rows()
        keys = list(self._open(rows))
        self._unreadable = frozenset(row.kid for row in rows) - {key.kid for key in keys}
        self._keys = SigningKeySet(keys)
        self._loaded_at = self._clock.now()
        # A process with a wrong secret key must not make keys that no other could read.
        self._is_upkeep_due = not self._unreadable and needs_upkeep(rows, self._sealer, self._schedule, self._loaded_at)

    async def _list_rows(self) -> Sequence[SigningKeyRow]:
        async with self._work() as work:
            return await SigningKeyRepository(work).list_unretired()

    async def _keep_up(self) -> None:
        async with self._work() as work:
            await SigningKeyService(work, self._sealer, self._schedule, self._entropy).keep_up()

    def _open(self, rows: Sequence[SigningKeyRow]) -> Iterator[SigningKey]:
        for row in rows:
            try:
                yield open_key(row, self._sealer)
            except ConfigurationError as error:
                if row.kid not in self._unreadable:
                    _log.error("signing_key_unreadable", detail=str(error))

    def _may_look_up(self) -> bool:
        if self._looked_up_at is not None and not self._has_passed(LOOK_UP_AT_MOST_EVERY, self._looked_up_at):
            return False
        self._looked_up_at = self._clock.now()
        return True

    def _has_passed(self, duration: timedelta, since: datetime) -> bool:
        """Also where the clock was set back: then nobody knows."""
        return not timedelta(0) <= self._clock.now() - since < duration


def _retrieve_error(reading: asyncio.Task[None]) -> None:
    """Mark the error of a read as retrieved: asyncio logs it as a fault when no request waits for the read any more."""
    if not reading.cancelled():
        reading.exception()
