"""What operators do with a deployment besides serving it, on connections of its own."""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.config import Settings
from cms_service.core.database import DatabaseProbe, FastLane, UnitOfWork, create_engine, read_only, unit_of_work
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.security import SYSTEM, CursorCodec, PasswordHasher
from cms_service.parts import keys_for, make_key_ring, make_key_sealer, make_password_hasher, make_password_policy
from cms_service.schemas import Diagnosis
from cms_service.services import (
    AdministratorService,
    Doctor,
    EnrolledMachine,
    Hearing,
    KeySchedule,
    MachineEnrolment,
    PasswordReset,
    PasswordResetService,
    SigningKeyService,
    ThrottleService,
)

GENERATED_PASSWORD_BYTES = 18


class GeneratedAdministrator(msgspec.Struct, frozen=True):
    """An administrator that was made just now."""

    email: str
    password: str


async def check_database(settings: Settings, within_seconds: float) -> None:
    """The service can work with its database.

    Raises:
        ServiceUnavailable: it does not answer in time, or is not migrated (NotMigrated).
        ConfigurationError: it was set up with another secret key.
    """
    probe = DatabaseProbe(settings, within_seconds=within_seconds)
    try:
        await probe.check()
    finally:
        probe.close()
    async with _connecting(settings) as engine:
        await make_key_ring(settings, engine).check()


async def diagnose(settings: Settings) -> Diagnosis:
    """What is wrong, or may go wrong, with this deployment. Nothing is changed."""
    async with _connecting(settings) as engine:
        work = partial(unit_of_work, read_only(engine))
        return await Doctor(settings, work, make_key_sealer(settings), SystemClock()).examine()


@asynccontextmanager
async def signing_keys(settings: Settings) -> AsyncIterator[SigningKeyService]:
    """What the operator does with signing keys, in one unit of work."""
    async with _working(settings) as work:
        yield SigningKeyService(work, make_key_sealer(settings), KeySchedule.of(settings), SystemEntropy())


async def bootstrap_administrator(settings: Settings) -> GeneratedAdministrator | None:
    """The first administrator, if there is none yet; without a password in the settings, with a generated one."""
    password = settings.admin_password or secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    async with _administrators(settings) as administrators:
        is_made = await administrators.create_first(settings.admin_email, password)
    return GeneratedAdministrator(settings.admin_email, password) if is_made else None


async def create_administrator(settings: Settings, email: str, password: str) -> None:
    """One more administrator.

    Raises:
        ServiceError: the address or the password is not acceptable, or a live account has the address.
    """
    async with _administrators(settings) as administrators:
        await administrators.create(email, password)


async def create_service_account(
    settings: Settings, name: str, description: str, roles: Iterable[str]
) -> EnrolledMachine:
    """A service account with a first key. Raises ServiceError where the name or a role is not acceptable."""
    async with _working(settings) as work:
        cursors = CursorCodec(*keys_for(settings, "cursors"))
        enrolment = MachineEnrolment(work, cursors, SystemEntropy(), settings.api_key_days)
        return await enrolment.enrol(name, description, roles)


async def reset_password(settings: Settings, email: str, password: str) -> PasswordReset:
    """Give an account a new password and end its sessions.

    Raises:
        ServiceError: no live account has the address, or the password is not acceptable.
    """
    async with _hashing(settings) as hasher, _working(settings) as work:
        return await PasswordResetService(work, hasher, make_password_policy(settings)).reset(email, password)


async def lift_throttle(settings: Settings, email: str) -> None:
    """Strangers may try to sign in at once. Raises ServiceError where no live account has the address."""
    async with _working(settings) as work:
        await ThrottleService(work, SYSTEM).lift_by_email(email)


@asynccontextmanager
async def _administrators(settings: Settings) -> AsyncIterator[AdministratorService]:
    async with _hashing(settings) as hasher, _working(settings) as work:
        yield AdministratorService(work, hasher, make_password_policy(settings))


@asynccontextmanager
async def _hashing(settings: Settings) -> AsyncIterator[PasswordHasher]:
    hasher = make_password_hasher(settings)
    try:
        yield hasher
    finally:
        hasher.close()


@asynccontextmanager
async def _working(settings: Settings) -> AsyncIterator[UnitOfWork]:
    """One unit of work. When the block has ended, no worker of the service answers from older state any more."""
    lane, lease_seconds = FastLane(settings, purpose="cms-service command"), settings.max_staleness_ms / 1000
    try:
        async with (
            _connecting(settings) as engine,
            unit_of_work(engine, Hearing(lane, lease_seconds, SystemClock())) as work,
        ):
            yield work
    finally:
        lane.close()


@asynccontextmanager
async def _connecting(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()
