"""The life of a signing key: published, signing, verifying, retired."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

import msgspec
from cryptography.exceptions import InvalidTag

from cms_service.core.config import Settings, SigningAlgorithm
from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import Entropy
from cms_service.core.exceptions import ConfigurationError, Conflict, NotFound
from cms_service.core.security import (
    LEEWAY_SECONDS,
    NONCE_BYTES,
    SYSTEM,
    Sealer,
    SigningKey,
    load_private_key,
    new_private_key,
)
from cms_service.models import SigningKey as SigningKeyRow
from cms_service.repositories import SigningKeyRepository
from cms_service.schemas import SigningKeyRead, SigningKeyState
from cms_service.services.audit_trail import AuditTrail

LONGEST_RELOAD_SECONDS = 5
TRUSTED_FOR_SECONDS = 15
"""What a process knows of the keys is good for signing for this long; then it reads them again first."""
LONGEST_CACHING_SECONDS = 300
KEY_ID_BYTES = 8


class KeySchedule(msgspec.Struct, frozen=True):
    """When keys are made, sign and retire.

    Of the time between the publication of a key and its first signature, a quarter is for the processes of this
    service to learn of it, half for the caches of verifiers, and the rest for clocks that differ.
    """

    algorithm: SigningAlgorithm
    signs_for: timedelta
    published_ahead: timedelta
    token_lifetime: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            algorithm=settings.signing_algorithm,
            signs_for=timedelta(seconds=settings.signing_key_seconds),
            published_ahead=timedelta(seconds=settings.signing_key_ahead_seconds),
            token_lifetime=timedelta(seconds=settings.access_token_seconds),
        )

    @property
    def reload_seconds(self) -> float:
        """How often every process reads the keys."""
        return min(LONGEST_RELOAD_SECONDS, self.published_ahead.total_seconds() / 4)

    @property
    def caching_seconds(self) -> int:
        """How long verifiers may keep the key set without missing a key."""
        return min(LONGEST_CACHING_SECONDS, int(self.published_ahead.total_seconds() / 2))

    @property
    def outlives_successor_by(self) -> timedelta:
        """How long a key verifies after the next one signs.

        A process that does not know of the next key yet, or whose clock is slow, still signs with the old one; what it
        signs must live as long as any token, by clocks that are slow or fast.
        """
        return self.token_lifetime + timedelta(seconds=TRUSTED_FOR_SECONDS + 2 * LEEWAY_SECONDS)


def open_key(row: SigningKeyRow, sealer: Sealer) -> SigningKey:
    """The key of `row`. Raises ConfigurationError where it was stored under another secret key."""
    try:
        private_key = sealer.unseal(row.encrypted_private_key, context=row.kid)
    except InvalidTag:
        raise ConfigurationError(
            f"CMS_SECRET_KEY is not the one under which signing key {row.kid} was stored; start with the secret key "
            "that this database was set up with, or give that one as CMS_SECRET_KEY_PREVIOUS"
        ) from None
    algorithm = SigningAlgorithm(row.algorithm)
    return SigningKey(row.kid, algorithm, load_private_key(algorithm, private_key), row.active_from, row.retires_at)


def needs_upkeep(keys: Sequence[SigningKeyRow], sealer: Sealer, schedule: KeySchedule, now: datetime) -> bool:
    """Whether something of what `SigningKeyService.keep_up` does is due. `keys` are those that still verify."""
    return (
        _is_next_due(keys, schedule, now)
        or _retires_too_early(keys, schedule, now)
        or any(not sealer.is_current(key.encrypted_private_key, context=key.kid) for key in keys)
    )


class SigningKeyService:
    """Makes keys and ends them. All processes do so one after another, by the clock of the database."""

    def __init__(self, work: UnitOfWork, sealer: Sealer, schedule: KeySchedule, entropy: Entropy) -> None:
        self._keys = SigningKeyRepository(work)
        self._audit = AuditTrail(work, SYSTEM)
        self._sealer = sealer
        self._schedule = schedule
        self._entropy = entropy

    async def list_keys(self) -> list[SigningKeyRead]:
        """Every key, the oldest first. Housekeeping deletes those that have been retired for a day."""
        now, keys = await self._keys.now(), await self._keys.list_all()
        return [_read(key, keys, now) for key in keys]

    async def keep_up(self) -> None:
        """The next key is there when it is time for it, and every key is stored under the present secret key.

        Raises ConfigurationError where a key was stored under another secret key than the process has: what such a
        process makes, no other could read.
        """
        now = await self._keys.lock_changes()
        keys = await self._open_all()
        for key in keys:
            self._reseal(key)
        if not keys:
            # Nobody has to learn of the first key first.
            self._publish(active_from=now, now=now)
        elif _is_next_due(keys, self._schedule, now):
            self._make_room(
                find_signing(keys, now), self._publish(active_from=now + self._schedule.published_ahead, now=now)
            )
        elif _retires_too_early(keys, self._schedule, now):
            self._make_room(find_signing(keys, now), find_waiting(keys, now))

    async def rotate(self, *, is_immediate: bool = False) -> SigningKeyRead:
        """The next key: published from now on, signing once it was for long enough; at once if `is_immediate`.

        Immediately, a key that is published already is taken. The first key of all signs at once.

        Raises:
            Conflict: the next key is published already.
            ConfigurationError: see `keep_up`.
        """
        now = await self._keys.lock_changes()
        keys = await self._open_all()
        waiting = find_waiting(keys, now)
        if is_immediate or not keys:
            successor = self._sign_now(waiting, now)
        elif waiting is not None:
            raise Conflict(
                f"Signing key {waiting.kid} is published already and signs from "
                f"{waiting.active_from.isoformat(timespec='seconds')}."
            )
        else:
            successor = self._publish(active_from=now + self._schedule.published_ahead, now=now)
        self._make_room(find_signing(keys, now, before=successor), successor)
        return _read(successor, [*keys, successor], now)

    async def retire(self, kid: str) -> SigningKeyRead:
        """The key is worthless from now on, and with it what it signed. If it signed, the next one does so at once.

        Raises:
            NotFound: there is no such key.
            Conflict: it has retired already.
            ConfigurationError: see `keep_up`.
        """
        now = await self._keys.lock_changes()
        keys = await self._open_all()
        key = next((key for key in await self._keys.list_all() if key.kid == kid), None)
        if key is None:
            raise NotFound(f"There is no signing key {kid}.")
        if key not in keys:
            raise Conflict(f"Signing key {kid} has retired already.")
        state = _state(key, keys, now)
        key.retires_at = now
        retired = _read(key, keys, now)
        self._audit.record("signing_key.retired", "signing_key", after=retired)
        if state is SigningKeyState.SIGNING:
            self._sign_now(find_waiting(keys, now), now)
        elif state is SigningKeyState.PUBLISHED:
            self._make_room(
                find_signing(keys, now), self._publish(active_from=now + self._schedule.published_ahead, now=now)
            )
        return retired

    def _sign_now(self, waiting: SigningKeyRow | None, now: datetime) -> SigningKeyRow:
        """The key that waits signs, or else a new one."""
        if waiting is None:
            return self._publish(active_from=now, now=now)
        waiting.active_from = now
        self._audit.record("signing_key.activated", "signing_key", after=_read(waiting, [waiting], now))
        return waiting

    def _publish(self, *, active_from: datetime, now: datetime) -> SigningKeyRow:
        kid = self._entropy.token_bytes(KEY_ID_BYTES).hex()
        algorithm = self._schedule.algorithm
        key = SigningKeyRow(
            kid=kid,
            algorithm=algorithm.value,
            encrypted_private_key=self._seal(kid, new_private_key(algorithm)),
            published_at=now,
            active_from=active_from,
            retires_at=None,
        )
        self._keys.append(key)
        self._audit.record("signing_key.published", "signing_key", after=_read(key, [key], now))
        return key

    def _make_room(self, signing: SigningKeyRow | None, successor: SigningKeyRow | None) -> None:
        """The key that signs until its successor does retires when the last token of its own has expired."""
        if signing is not None and successor is not None:
            signing.retires_at = successor.active_from + self._schedule.outlives_successor_by

    async def _open_all(self) -> list[SigningKeyRow]:
        """The keys that still verify. Raises ConfigurationError where this process cannot open one."""
        keys = list(await self._keys.list_unretired())
        for key in keys:
            open_key(key, self._sealer)
        return keys

    def _reseal(self, key: SigningKeyRow) -> None:
        """While processes disagree which of two secret keys is the present one, the last of them decides."""
        if not self._sealer.is_current(key.encrypted_private_key, context=key.kid):
            key.encrypted_private_key = self._seal(
                key.kid, self._sealer.unseal(key.encrypted_private_key, context=key.kid)
            )

    def _seal(self, kid: str, private_key: bytes) -> bytes:
        return self._sealer.seal(self._entropy.token_bytes(NONCE_BYTES), private_key, context=kid)


def _is_next_due(keys: Sequence[SigningKeyRow], schedule: KeySchedule, now: datetime) -> bool:
    """Whether a key has to be published: never two in advance, even when replicas want different algorithms."""
    if find_waiting(keys, now) is not None:
        return False
    signing = find_signing(keys, now)
    return (
        signing is None
        or signing.retires_at is not None
        or signing.algorithm != schedule.algorithm
        or signing.active_from + schedule.signs_for - schedule.published_ahead <= now
    )


def _retires_too_early(keys: Sequence[SigningKeyRow], schedule: KeySchedule, now: datetime) -> bool:
    """Whether tokens have become longer-lived since the key that signs was told when to retire."""
    signing, waiting = find_signing(keys, now), find_waiting(keys, now)
    if signing is None or waiting is None:
        return False
    return signing.retires_at is None or signing.retires_at < waiting.active_from + schedule.outlives_successor_by


def find_waiting(keys: Sequence[SigningKeyRow], now: datetime) -> SigningKeyRow | None:
    """The key that is published and does not sign yet."""
    return max((key for key in keys if key.active_from > now and _is_live(key, now)), key=_age, default=None)


def find_signing(
    keys: Sequence[SigningKeyRow], now: datetime, *, before: SigningKeyRow | None = None
) -> SigningKeyRow | None:
    """The key that signs; that signed until `before` took its place."""
    active = (key for key in keys if key.active_from <= now and _is_live(key, now) and key is not before)
    return max(active, key=_age, default=None)


def _age(key: SigningKeyRow) -> tuple[datetime, str]:
    return key.active_from, key.kid


def _is_live(key: SigningKeyRow, now: datetime) -> bool:
    return key.retires_at is None or now < key.retires_at


def _state(key: SigningKeyRow, keys: Sequence[SigningKeyRow], now: datetime) -> SigningKeyState:
    if not _is_live(key, now):
        return SigningKeyState.RETIRED
    if key.active_from > now:
        return SigningKeyState.PUBLISHED
    return SigningKeyState.SIGNING if key is find_signing(keys, now) else SigningKeyState.VERIFYING


def _read(key: SigningKeyRow, keys: Sequence[SigningKeyRow], now: datetime) -> SigningKeyRead:
    return SigningKeyRead(
        kid=key.kid,
        algorithm=key.algorithm,
        published_at=key.published_at,
        active_from=key.active_from,
        retires_at=key.retires_at,
        state=_state(key, keys, now),
    )
