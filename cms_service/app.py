"""Puts the layers together: the only file that knows them all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar
from litestar.datastructures import State

from cms_service.api import (
    EXCEPTION_HANDLERS,
    ApiDocument,
    Authentication,
    AuthzenConfigurationController,
    DirectDependencies,
    DirectGuards,
    Envelope,
    HealthController,
    HomeController,
    HomePage,
    JsonResponse,
    MetricsController,
    MetricsPage,
    Readmission,
    RefusalAudit,
    RefusalMetrics,
    StrictInput,
    WellKnownController,
    cors_config,
    problem_index,
    problem_page,
)
from cms_service.api.v1 import router as v1
from cms_service.core.config import Settings
from cms_service.core.database import (
    ACCESS_CHANNEL,
    DatabaseProbe,
    DirectLine,
    FastLane,
    Primary,
    create_engine,
    for_reading,
    pool_of,
    trace_statements,
    unit_of_work,
)
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.observability import Metrics, Tracing
from cms_service.core.security import (
    AccessTokenCodec,
    CursorCodec,
    DeviceTokenCodec,
    RefreshTokenCodec,
    Sealer,
)
from cms_service.parts import keys_for, make_key_ring, make_password_hasher, make_password_policy, throttle_key
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
    CacheKeeper,
    ClientService,
    CredentialAuthenticator,
    DecisionPoint,
    Hearing,
    Housekeeper,
    Introspector,
    KeyUsage,
    Readiness,
    RecognisedCallers,
    RefreshService,
    RefusalRecorder,
    SignInService,
    SignInThrottle,
    TimedPropagation,
    TokenIssuer,
    UserDirectory,
    observe_state,
    publish_metadata,
)

MAX_BODY_BYTES = 64 * 1024
GENERATED_PASSWORD_BYTES = 18
RECHECK_CONNECTIONS = 2


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
    primary = Primary()
    engine = create_engine(settings, primary)
    fast_lane = FastLane(settings, primary, tracing)
    probe = DatabaseProbe(settings, primary)
    clock = SystemClock()
    lease_seconds = settings.max_staleness_ms / 1000
    hearing = TimedPropagation(
        Hearing(fast_lane, lease_seconds, clock),
        metrics.durations(
            "cms_propagation_duration_seconds", "How long changes of access waited for all caches."
        ).observe,
    )
    work = partial(unit_of_work, engine, hearing)
    memory = AccessMemory(settings.cached_subjects, clock)
    open_line = partial(DirectLine.open, settings, ACCESS_CHANNEL, lease_seconds)
    cache_keeper = CacheKeeper(memory, open_line, lease_seconds, clock, primary)
    credentials = CredentialRepository(fast_lane)
    access_reader = AccessReader(memory, SubjectRepository(fast_lane), credentials)
    hashes = metrics.durations("cms_password_hash_duration_seconds", "Hashing of passwords, the wait included.")
    hasher = make_password_hasher(settings, hashes.observe)
    password_policy = make_password_policy(settings)
    key_ring = make_key_ring(settings, engine)
    access_tokens = AccessTokenCodec(settings.public_url, settings.access_token_seconds)
    issuer = TokenIssuer(
        settings=settings,
        key_ring=key_ring,
        access_tokens=access_tokens,
        refresh_tokens=RefreshTokenCodec(*keys_for(settings, "refresh-tokens")),
        device_tokens=DeviceTokenCodec(*keys_for(settings, "device-tokens")),
        clock=clock,
        entropy=SystemEntropy(),
    )
    throttle = SignInThrottle(ThrottleRepository(fast_lane), throttle_key(settings), settings.throttle_network_failures)
    token_reader = AccessTokenReader(key_ring, access_tokens, clock)
    key_usage = KeyUsage(credentials, clock)
    recognised = RecognisedCallers(memory, token_reader, clock)
    authenticator = CredentialAuthenticator(token_reader, access_reader, key_usage, recognised)
    clients = ClientService(credentials, key_usage, issuer)
    directory = UserDirectory(DirectoryRepository(fast_lane))
    # Connections of its own: what is checked again holds locks, for which those of the fast lane may be waiting.
    recheck_lane = FastLane(settings, primary, tracing, limit=RECHECK_CONNECTIONS, purpose="cms-service recheck")
    readmission = make_readmission(recheck_lane, memory, token_reader, key_usage, recognised)
    housekeeper = Housekeeper(work, settings.housekeeping_seconds, clock)
    observe_state(
        metrics,
        pools={"work": pool_of(engine), "fast_lane": fast_lane},
        hasher=hasher,
        memory=memory,
        recognised=recognised,
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
            await end_tasks(background)
            hasher.close()
            fast_lane.close()
            recheck_lane.close()
            probe.close()
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
            HomeController,
            problem_index,
            problem_page,
        ],
        response_class=JsonResponse,
        guards=[Authentication(authenticator)],
        before_request=StrictInput(password_policy, readmission),
        after_exception=[RefusalAudit(RefusalRecorder(work)), RefusalMetrics(metrics)],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors_config(settings),
        plugins=[ApiDocument(), DirectGuards(), DirectDependencies()],
        logging_config=None,
        lifespan=[lifespan],
        state=State(
            {
                "engine": engine,
                "home": HomePage(settings),
                "metrics": MetricsPage(metrics, probe.is_ready, settings.metrics_token),
                "answer_sealer": Sealer(*keys_for(settings, "answers")),
                "propagation": hearing,
                "readmission": readmission,
                "decisions": DecisionPoint(access_reader),
                "reading_engine": for_reading(engine, settings),
                "clients": clients,
                "credentials": credentials,
                "introspector": Introspector(authenticator, token_reader, credentials, directory, issuer),
                "server_metadata": publish_metadata(settings.public_url),
                "token_reader": token_reader,
                "cursors": CursorCodec(*keys_for(settings, "cursors")),
                "directory": directory,
                "hasher": hasher,
                "issuer": issuer,
                "password_policy": password_policy,
                "throttle": throttle,
                "sign_ins": SignInService(SignInRepository(fast_lane), throttle, hasher, issuer, hearing),
                "refreshes": RefreshService(RotationRepository(fast_lane), work, issuer),
                "readiness": Readiness(has_to_leave, probe.check, key_ring, hasher).check,
            }
        ),
    )
    return Envelope(litestar, settings, has_to_leave, metrics, tracing)


def make_readmission(
    lane: FastLane,
    memory: AccessMemory,
    token_reader: AccessTokenReader,
    key_usage: KeyUsage,
    recognised: RecognisedCallers,
) -> Readmission:
    """Authenticates as requests are authenticated, but reads on the connections of `lane`."""
    reader = AccessReader(memory, SubjectRepository(lane), CredentialRepository(lane))
    authenticator = CredentialAuthenticator(token_reader, reader, key_usage, recognised)
    return Readmission(Authentication(authenticator))


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: what fails while a task is cancelled can take the place of the cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)
