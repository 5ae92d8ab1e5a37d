"""Puts the layers together: the only file that knows them all."""

import asyncio
import secrets
from collections.abc import AsyncIterator
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
    ConditionalGet,
    Envelope,
    HealthController,
    RefusalAudit,
    StrictInput,
    WellKnownController,
    cors_config,
)
from cms_service.api.v1 import router as v1
from cms_service.core.config import Settings
from cms_service.core.database import Reader, check_readiness, create_engine, for_reading, unit_of_work
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.security import AccessTokenCodec, CursorCodec, PasswordHasher, RefreshTokenCodec, derive_key
from cms_service.repositories import DirectoryRepository, PrincipalRepository
from cms_service.services import (
    AccessTokenAuthenticator,
    AdministratorService,
    KeyRing,
    RefusalRecorder,
    TokenIssuer,
    UserDirectory,
)

MAX_BODY_BYTES = 64 * 1024
GENERATED_PASSWORD_BYTES = 18


def create_app(settings: Settings) -> Envelope:
    """The ASGI application. It connects to the database when the first request needs it."""
    engine = create_engine(settings)
    clock, entropy = SystemClock(), SystemEntropy()
    key_ring = _key_ring(settings, engine)
    access_tokens = AccessTokenCodec(settings.public_url, settings.access_token_seconds)
    hasher = _hasher(settings)
    issuer = TokenIssuer(
        settings=settings,
        key_ring=key_ring,
        access_tokens=access_tokens,
        refresh_tokens=RefreshTokenCodec(derive_key(settings.secret_key, "refresh-tokens")),
        clock=clock,
        entropy=entropy,
    )
    reader = Reader(settings)
    authenticator = AccessTokenAuthenticator(key_ring, access_tokens, PrincipalRepository(reader), clock)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(key_ring.keep_fresh())
        try:
            yield
        finally:
            refreshing.cancel()
            hasher.close()
            reader.close()
            await engine.dispose()

    litestar = Litestar(
        route_handlers=[v1, WellKnownController, HealthController],
        dependencies=DEPENDENCIES,
        middleware=[ConditionalGet(), AuthenticationMiddleware(authenticator)],
        before_request=StrictInput(),
        after_exception=[RefusalAudit(RefusalRecorder(partial(unit_of_work, engine)))],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        cors_config=cors_config(settings),
        plugins=[ApiDocument()],
        logging_config=None,
        lifespan=[lifespan],
        state=State(
            {
                "engine": engine,
                "reading_engine": for_reading(engine),
                "cursors": CursorCodec(derive_key(settings.secret_key, "cursors")),
                "directory": UserDirectory(DirectoryRepository(reader)),
                "hasher": hasher,
                "issuer": issuer,
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


@asynccontextmanager
async def _administrators(settings: Settings) -> AsyncIterator[AdministratorService]:
    engine, hasher = create_engine(settings), _hasher(settings)
    try:
        async with unit_of_work(engine) as work:
            yield AdministratorService(work, hasher)
    finally:
        hasher.close()
        await engine.dispose()


def _key_ring(settings: Settings, engine: AsyncEngine) -> KeyRing:
    sealing_key = derive_key(settings.secret_key, "signing-keys")
    return KeyRing(partial(unit_of_work, engine), sealing_key, SystemClock(), SystemEntropy())


def _hasher(settings: Settings) -> PasswordHasher:
    return PasswordHasher(settings.hash_concurrency, settings.hash_queue_size)
