"""Puts the layers together: the only file that knows them all."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
from litestar import Litestar
from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.api import (
    DEPENDENCIES,
    EXCEPTION_HANDLERS,
    ApiDocument,
    AuthenticationMiddleware,
    AuthzenConfigurationController,
    ConditionalGet,
    Envelope,
    Guarding,
    HealthController,
    RefusalAudit,
    StrictInput,
    WellKnownController,
    cors_config,
)
from cms_service.api.v1 import router as v1
from cms_service.core.config import Settings
from cms_service.core.database import (
    ACCESS_CHANNEL,
    DirectLine,
    FastLane,
    check_readiness,
    create_engine,
    for_reading,
    unit_of_work,
)
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.security import (
    SYSTEM,
    AccessTokenCodec,
    CursorCodec,
    DeviceTokenCodec,
    PasswordHasher,
    PasswordPolicy,
    RefreshTokenCodec,
    Sealer,
    derive_key,
)
from cms_service.repositories import (
    CredentialRepository,
    DirectoryRepository,
    RotationRepository,
    SignInRepository,
    SubjectRepository,
    ThrottleRepository,
)
from cms_service.services import (
    AccessMemory,
    AccessReader,
    AccessTokenReader,
    AdministratorService,
    CacheKeeper,
    ClientService,
    CredentialAuthenticator,
    DecisionPoint,
    EnrolledMachine,
    Hearing,
    Housekeeper,
    Introspector,
    KeyRing,
    KeySchedule,
    KeyUsage,
    MachineEnrolment,
    RefreshService,
    RefusalRecorder,
    SigningKeyService,
    SignInService,
    SignInThrottle,
    ThrottleService,
    TokenIssuer,
    UserDirectory,
    publish_metadata,
)

MAX_BODY_BYTES = 64 * 1024
GENERATED_PASSWORD_BYTES = 18


def create_app(settings: Settings) -> Envelope:
    """The ASGI application. It connects to the database when the first request needs it."""
    engine = create_engine(settings)
    fast_lane = FastLane(settings)
    clock = SystemClock()
    lease_seconds = settings.max_staleness_ms / 1000
    hearing = Hearing(fast_lane, lease_seconds, clock)
    work = partial(unit_of_work, engine, hearing)
    memory = AccessMemory(settings.cached_subjects, clock)
    open_line = partial(DirectLine.open, settings, ACCESS_CHANNEL, lease_seconds)
    cache_keeper = CacheKeeper(memory, open_line, lease_seconds, clock)
    credentials = CredentialRepository(fast_lane)
    access_reader = AccessReader(memory, SubjectRepository(fast_lane), credentials)
    hasher = _hasher(settings)
    password_policy = _password_policy(settings)
    key_ring = _key_ring(settings, engine)
    access_tokens = AccessTokenCodec(settings.public_url, settings.access_token_seconds)
    issuer = TokenIssuer(
        settings=settings,
        key_ring=key_ring,
        access_tokens=access_tokens,
        refresh_tokens=RefreshTokenCodec(*_keys(settings, "refresh-tokens")),
        device_tokens=DeviceTokenCodec(*_keys(settings, "device-tokens")),
        clock=clock,
        entropy=SystemEntropy(),
    )
    throttle = SignInThrottle(
        ThrottleRepository(fast_lane), _throttle_key(settings), settings.throttle_network_failures
    )
    token_reader = AccessTokenReader(key_ring, access_tokens, clock)
    key_usage = KeyUsage(credentials, clock)
    authenticator = CredentialAuthenticator(token_reader, access_reader, key_usage)
    clients = ClientService(credentials, key_usage, issuer)
    directory = UserDirectory(DirectoryRepository(fast_lane))
    authentication = AuthenticationMiddleware(authenticator)
    housekeeper = Housekeeper(work, settings.housekeeping_seconds, clock)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        tasks = (
            key_ring.keep_fresh(),
            housekeeper.keep_house(),
            key_usage.keep_writing(),
            cache_keeper.keep(),
        )
        background = [asyncio.create_task(task) for task in tasks]
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            hasher.close()
            fast_lane.close()
            await engine.dispose()

    litestar = Litestar(
        route_handlers=[v1, WellKnownController, AuthzenConfigurationController, HealthController],
        dependencies=DEPENDENCIES,
        middleware=[ConditionalGet(), authentication],
        before_request=StrictInput(password_policy, authentication.authenticate),
        after_exception=[RefusalAudit(RefusalRecorder(work))],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors_config(settings),
        plugins=[ApiDocument(), Guarding()],
        logging_config=None,
        lifespan=[lifespan],
        state=State(
            {
                "engine": engine,
                "propagation": hearing,
                "decisions": DecisionPoint(access_reader),
                "reading_engine": for_reading(engine),
                "clients": clients,
                "credentials": credentials,
                "introspector": Introspector(authenticator, token_reader, credentials, directory, issuer),
                "server_metadata": publish_metadata(settings.public_url),
                "token_reader": token_reader,
                "cursors": CursorCodec(*_keys(settings, "cursors")),
                "directory": directory,
                "hasher": hasher,
                "issuer": issuer,
                "password_policy": password_policy,
                "throttle": throttle,
                "sign_ins": SignInService(SignInRepository(fast_lane), throttle, hasher, issuer, hearing),
                "refreshes": RefreshService(RotationRepository(fast_lane), work, issuer),
                "readiness": partial(check_readiness, engine),
            }
        ),
    )
    return Envelope(litestar, settings)


async def check_secret_key(settings: Settings) -> None:
    """Raises ConfigurationError where the database was set up with another secret key."""
    engine = create_engine(settings)
    try:
        await _key_ring(settings, engine).check()
    finally:
        await engine.dispose()


@asynccontextmanager
async def signing_keys(settings: Settings) -> AsyncIterator[SigningKeyService]:
    """What the operator does with signing keys, in one unit of work."""
    engine = create_engine(settings)
    try:
        async with unit_of_work(engine) as work:
            sealer = Sealer(*_keys(settings, "signing-keys"))
            yield SigningKeyService(work, sealer, KeySchedule.of(settings), SystemEntropy())
    finally:
        await engine.dispose()


class GeneratedAdministrator(msgspec.Struct, frozen=True):
    """An administrator that was made just now."""

    email: str
    password: str


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
    engine = create_engine(settings)
    try:
        async with unit_of_work(engine) as work:
            cursors = CursorCodec(*_keys(settings, "cursors"))
            enrolment = MachineEnrolment(work, cursors, SystemEntropy(), settings.api_key_days)
            return await enrolment.enrol(name, description, roles)
    finally:
        await engine.dispose()


async def lift_throttle(settings: Settings, email: str) -> None:
    """Strangers may try to sign in at once. Raises ServiceError where no live account has the address."""
    engine = create_engine(settings)
    try:
        async with unit_of_work(engine) as work:
            await ThrottleService(work, SYSTEM).lift_by_email(email)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _administrators(settings: Settings) -> AsyncIterator[AdministratorService]:
    engine, hasher = create_engine(settings), _hasher(settings)
    try:
        async with unit_of_work(engine) as work:
            yield AdministratorService(work, hasher, _password_policy(settings))
    finally:
        hasher.close()
        await engine.dispose()


def _key_ring(settings: Settings, engine: AsyncEngine) -> KeyRing:
    work, sealer = partial(unit_of_work, engine), Sealer(*_keys(settings, "signing-keys"))
    return KeyRing(work, sealer, KeySchedule.of(settings), SystemClock(), SystemEntropy())


def _keys(settings: Settings, purpose: str) -> tuple[bytes, bytes | None]:
    """The key for a purpose, and the one that is still accepted beside it."""
    previous = settings.secret_key_previous
    return derive_key(settings.secret_key, purpose), derive_key(previous, purpose) if previous else None


def _throttle_key(settings: Settings) -> bytes:
    """The same for two replicas that have the secret key and the previous one the other way round."""
    return derive_key(min(settings.secret_key, settings.secret_key_previous or settings.secret_key), "throttles")


def _password_policy(settings: Settings) -> PasswordPolicy:
    return PasswordPolicy(settings.password_min_characters, settings.password_words)


def _hasher(settings: Settings) -> PasswordHasher:
    return PasswordHasher(settings.hash_concurrency, settings.hash_queue_size)
