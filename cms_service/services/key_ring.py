"""The keys that sign and verify access tokens, as this process knows them."""

import asyncio
from datetime import datetime, timedelta

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cms_service.core.database import WorkFactory, translate_error
from cms_service.core.dependencies import Clock, Entropy
from cms_service.core.exceptions import ConfigurationError, ServiceUnavailable
from cms_service.core.security import ALGORITHM, NONCE_BYTES, SigningKey, SigningKeySet, seal, unseal
from cms_service.models import SigningKey as SigningKeyRow
from cms_service.repositories import SigningKeyRepository
from cms_service.schemas import JsonWebKey, JsonWebKeySet

RELOAD_EVERY_SECONDS = 30
"""A key that another replica made is known here within this time, whether or not a token asks for it."""
RETRY_AFTER_SECONDS = 1
RELOAD_AT_MOST_EVERY = timedelta(seconds=1)
"""Tokens that name unknown keys cannot make this process read the table more often."""

_log = structlog.get_logger("cms_service.key_ring")


class KeyRing:
    """Knows the keys of the database, and makes the first one."""

    def __init__(self, work: WorkFactory, sealing_key: bytes, clock: Clock, entropy: Entropy) -> None:
        self._work = work
        self._sealing_key = sealing_key
        self._clock = clock
        self._entropy = entropy
        self._keys = SigningKeySet()
        self._loaded_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None

    async def keep_fresh(self) -> None:
        """Reads the keys now and again until cancelled, so that no request has to wait for them."""
        while True:
            try:
                await self._load()
                await asyncio.sleep(RELOAD_EVERY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                if translate_error(error) is None:
                    _log.exception("signing_keys_not_read")
                await asyncio.sleep(RETRY_AFTER_SECONDS)

    async def signer(self) -> SigningKey:
        """The key to sign with. Raises ServiceUnavailable where none can be read."""
        if self._loaded_at is None:
            await self._load()
        key = self._keys.signer(self._clock.now())
        if key is None:
            raise ServiceUnavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
        return key

    async def verifier(self, kid: str) -> Ed25519PublicKey | None:
        """The public key named `kid`, while tokens that it signed count."""
        key = self._keys.verifier(kid, self._clock.now())
        if key is None and (self._loaded_at is None or self._clock.now() - self._loaded_at > RELOAD_AT_MOST_EVERY):
            await self._load()
            key = self._keys.verifier(kid, self._clock.now())
        return key

    async def public_keys(self) -> JsonWebKeySet:
        """What verifiers outside this service need."""
        if self._loaded_at is None:
            await self._load()
        return JsonWebKeySet([JsonWebKey(**jwk) for jwk in self._keys.public_jwks(self._clock.now())])

    async def check(self) -> None:
        """Raises ConfigurationError where a key was stored under another secret key than the one in the settings."""
        async with self._work() as work:
            for row in await SigningKeyRepository(work).list_unretired():
                self._unseal(row)

    async def _load(self) -> None:
        """Reads the keys, once for all who want to know at the same time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        async with self._work() as work:
            rows = await SigningKeyRepository(work).list_unretired()
        if not rows:
            async with self._work() as work:
                repository = SigningKeyRepository(work)
                await repository.lock_creation()
                rows = await repository.list_unretired() or [await repository.add(self._new_row())]
        self._keys = SigningKeySet(key for row in rows if (key := self._unseal_or_none(row)) is not None)
        self._loaded_at = self._clock.now()

    def _new_row(self) -> SigningKeyRow:
        kid = self._entropy.token_bytes(8).hex()
        private_key = Ed25519PrivateKey.generate().private_bytes_raw()
        nonce = self._entropy.token_bytes(NONCE_BYTES)
        return SigningKeyRow(
            kid=kid,
            algorithm=ALGORITHM,
            encrypted_private_key=seal(self._sealing_key, nonce, private_key, context=kid),
        )

    def _unseal(self, row: SigningKeyRow) -> SigningKey:
        try:
            private_key = unseal(self._sealing_key, row.encrypted_private_key, context=row.kid)
        except InvalidTag:
            raise ConfigurationError(
                f"CMS_SECRET_KEY is not the one under which signing key {row.kid} was stored; "
                "start with the secret key that this database was set up with"
            ) from None
        return SigningKey(row.kid, Ed25519PrivateKey.from_private_bytes(private_key), row.active_from, row.retires_at)

    def _unseal_or_none(self, row: SigningKeyRow) -> SigningKey | None:
        try:
            return self._unseal(row)
        except ConfigurationError as error:
            _log.error("signing_key_unreadable", detail=str(error))
            return None
