"""Puts the layers together: the only file that knows them all."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
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
    Envelope,
    Guarding,
    HealthController,
    MetricsController,
    MetricsPage,
    RefusalAudit,
    RefusalMetrics,
    StrictInput,
    WellKnownController,
    cors_config,
    problem_page,
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
    is_ready,
    pool_of,
    read_only,
    trace_statements,
    unit_of_work,
)
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.observability import Metrics, Tracing
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
from cms_service.schemas import Diagnosis
from cms_service.services import (
    AccessMemory,
    AccessReader,
    AccessTokenReader,
    AdministratorService,
    CacheKeeper,
    ClientService,
    CredentialAuthenticator,
    DecisionPoint,
    Doctor,
    EnrolledMachine,
    Hearing,
    Housekeeper,
    Introspector,
    KeyRing,
    KeySchedule,
    KeyUsage,
    MachineEnrolment,
    Readiness,
    RefreshService,
    RefusalRecorder,
    SigningKeyService,
    SignInService,
    SignInThrottle,
    ThrottleService,
    TimedPropagation,
    TokenIssuer,
    UserDirectory,
    observe_state,
    publish_metadata,
)

MAX_BODY_BYTES = 64 * 1024
GENERATED_PASSWORD_BYTES = 18


def create_app(
    settings: Settings,
    has_to_leave: Callable[[], bool] = lambda: False,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
) -> Envelope:
    """The ASGI application. It connects to the database when the first request needs it.

    While `has_to_leave` says so it serves on, but is not ready, and keeps no connection alive.
    """
    metrics = metrics or Metrics()
    engine = create_engine(settings)
    fast_lane = FastLane(settings, tracing)
    clock = SystemClock()
    lease_seconds = settings.max_staleness_ms / 1000
    waits = metrics.durations("cms_propagation_duration_seconds", "How long changes of access waited for all caches.")
    hearing = TimedPropagation(Hearing(fast_lane, lease_seconds, clock), waits.observe)
    work = partial(unit_of_work, engine, hearing)
    memory = AccessMemory(settings.cached_subjects, clock)
    open_line = partial(DirectLine.open, settings, ACCESS_CHANNEL, lease_seconds)
    cache_keeper = CacheKeeper(memory, open_line, lease_seconds, clock)
    credentials = CredentialRepository(fast_lane)
    access_reader = AccessReader(memory, SubjectRepository(fast_lane), credentials)
    hashes = metrics.durations("cms_password_hash_duration_seconds", "Hashing of passwords, the wait included.")
    hasher = _hasher(settings, hashes.observe)
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
    observe_state(
        metrics,
        pools={"work": pool_of(engine), "fast_lane": fast_lane},
        hasher=hasher,
        memory=memory,
        keeper=cache_keeper,
        tokens=token_reader,
        housekeeper=housekeeper,
    )
    if tracing is not None:
        trace_statements(engine, tracing)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        tasks = (
            key_ring.keep_fresh(),
            housekeeper.keep_house(),
            key_usage.keep_writing(),
            cache_keeper.keep(),
            metrics.keep_fresh(),
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
            if tracing is not None:
                await tracing.close()

    litestar = Litestar(
        route_handlers=[
            v1,
            WellKnownController,
            AuthzenConfigurationController,
            HealthController,
            MetricsController,
            problem_page,
        ],
        dependencies=DEPENDENCIES,
        middleware=[authentication],
        before_request=StrictInput(password_policy, authentication.authenticate),
        after_exception=[RefusalAudit(RefusalRecorder(work)), RefusalMetrics(metrics)],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors_config(settings),
        plugins=[ApiDocument(), Guarding()],
        logging_config=None,
        lifespan=[lifespan],
        state=State(
            {
                "engine": engine,
                "metrics": MetricsPage(metrics, partial(is_ready, fast_lane), settings.metrics_token),
                "answer_sealer": Sealer(*_keys(settings, "answers")),
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
                "readiness": Readiness(has_to_leave, partial(check_readiness, engine), key_ring).check,
            }
        ),
    )
    return Envelope(litestar, settings, has_to_leave, metrics, tracing)


async def check_database(settings: Settings) -> None:
    """The service can work with its database.

    Raises:
        ServiceUnavailable: it does not answer, or is not migrated (NotMigrated).
        ConfigurationError: it was set up with another secret key.
    """
    engine = create_engine(settings)
    try:
        await check_readiness(engine)
        await _key_ring(settings, engine).check()
    finally:
        await engine.dispose()


async def diagnose(settings: Settings) -> Diagnosis:
    """What is wrong, or may go wrong, with this deployment. Nothing is changed."""
    engine = create_engine(settings)
    try:
        sealer = Sealer(*_keys(settings, "signing-keys"))
        return await Doctor(settings, partial(unit_of_work, read_only(engine)), sealer, SystemClock()).examine()
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


def _hasher(settings: Settings, observe: Callable[[float], None] = lambda _: None) -> PasswordHasher:
    return PasswordHasher(settings.hash_concurrency, settings.hash_queue_size, observe=observe)
