"""The keys that sign and verify access tokens, as this process knows them."""

import asyncio
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cms_service.core.database import WorkFactory
from cms_service.core.dependencies import Clock, Entropy
from cms_service.core.exceptions import ConfigurationError, ServiceUnavailable
from cms_service.core.security import ALGORITHM, NONCE_BYTES, SigningKey, SigningKeySet, seal, unseal
from cms_service.models import SigningKey as SigningKeyRow
from cms_service.repositories import SigningKeyRepository
from cms_service.schemas import JsonWebKey, JsonWebKeySet

RELOAD_AFTER = timedelta(seconds=60)
"""A key that another replica made is known here within this time, whether or not a token asks for it."""
RELOAD_AT_MOST_EVERY = timedelta(seconds=1)
"""Tokens that name unknown keys cannot make this process read the table more often."""


class KeyRing:
    """Reads the keys when they are first needed and then now and again; makes the first one."""

    def __init__(self, work: WorkFactory, sealing_key: bytes, clock: Clock, entropy: Entropy) -> None:
        self._work = work
        self._sealing_key = sealing_key
        self._clock = clock
        self._entropy = entropy
        self._keys = SigningKeySet()
        self._loaded_at: datetime | None = None
        self._loading = asyncio.Lock()

    async def signer(self) -> SigningKey:
        """The key to sign with."""
        await self._load(RELOAD_AFTER)
        key = self._keys.signer(self._clock.now())
        if key is None:
            raise ServiceUnavailable("There is no active signing key.", retry_after_seconds=1)
        return key

    async def verifier(self, kid: str) -> Ed25519PublicKey | None:
        """The public key named `kid`, while tokens that it signed count."""
        await self._load(RELOAD_AFTER)
        key = self._keys.verifier(kid, self._clock.now())
        if key is None:
            await self._load(RELOAD_AT_MOST_EVERY)
            key = self._keys.verifier(kid, self._clock.now())
        return key

    async def public_keys(self) -> JsonWebKeySet:
        """What verifiers outside this service need."""
        await self._load(RELOAD_AFTER)
        return JsonWebKeySet([JsonWebKey(**jwk) for jwk in self._keys.public_jwks(self._clock.now())])

    async def _load(self, max_age: timedelta) -> None:
        if self._is_younger_than(max_age):
            return
        async with self._loading:
            if self._is_younger_than(max_age):
                return
            async with self._work() as work:
                rows = SigningKeyRepository(work)
                keys = [self._unseal(row) for row in await rows.list_unretired()]
            if not keys:
                keys = await self._make_first()
            self._keys = SigningKeySet(keys)
            self._loaded_at = self._clock.now()

    def _is_younger_than(self, max_age: timedelta) -> bool:
        return self._loaded_at is not None and self._clock.now() - self._loaded_at < max_age

    async def _make_first(self) -> list[SigningKey]:
        async with self._work() as work:
            rows = SigningKeyRepository(work)
            await rows.lock_creation()
            if not await rows.list_unretired():
                await rows.add(self._new_row())
            return [self._unseal(row) for row in await rows.list_unretired()]

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
