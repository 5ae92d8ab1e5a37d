"""What both the service and its operators' commands are made of, as the settings say."""

from collections.abc import Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.config import PasswordHashing, Settings
from cms_service.core.database import unit_of_work
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.security import ARGON2ID, CHEAPEST_ARGON2ID, PasswordHasher, PasswordPolicy, Sealer, derive_key
from cms_service.services import KeyRing, KeySchedule


def keys_for(settings: Settings, purpose: str) -> tuple[bytes, bytes | None]:
    """The key for a purpose, and the one that is still accepted beside it."""
    previous = settings.secret_key_previous
    return derive_key(settings.secret_key, purpose), derive_key(previous, purpose) if previous else None


def throttle_key(settings: Settings) -> bytes:
    """The same for two replicas that have the secret key and the previous one the other way round."""
    return derive_key(min(settings.secret_key, settings.secret_key_previous or settings.secret_key), "throttles")


def make_key_sealer(settings: Settings) -> Sealer:
    """Of signing keys."""
    return Sealer(*keys_for(settings, "signing-keys"))


def make_key_ring(settings: Settings, engine: AsyncEngine) -> KeyRing:
    work, schedule = partial(unit_of_work, engine), KeySchedule.of(settings)
    return KeyRing(work, make_key_sealer(settings), schedule, SystemClock(), SystemEntropy())


def make_password_policy(settings: Settings) -> PasswordPolicy:
    return PasswordPolicy(settings.password_min_characters, settings.password_words)


def make_password_hasher(settings: Settings, observe: Callable[[float], None] = lambda _: None) -> PasswordHasher:
    parameters = ARGON2ID if settings.password_hashing is PasswordHashing.STANDARD else CHEAPEST_ARGON2ID
    return PasswordHasher(settings.hash_concurrency, settings.hash_queue_size, parameters, observe)
