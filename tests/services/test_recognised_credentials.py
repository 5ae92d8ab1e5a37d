"""Callers are recognised no longer than the authenticator says that their credential counts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from cms_service.core.config import Settings
from cms_service.core.database import FastLane, create_engine
from cms_service.core.security import AccessTokenCodec, Principal
from cms_service.parts import make_key_ring
from cms_service.repositories import CredentialRepository, SubjectRepository
from cms_service.services import (
    AccessMemory,
    AccessReader,
    AccessTokenReader,
    CredentialAuthenticator,
    KeyUsage,
    RecognisedCallers,
)
from tests.api import given, machines
from tests.clocks import SetClock
from tests.factories import unique
from tests.fixtures import Caller, Register, Service

WINDOW = timedelta(hours=1)
"""Shorter than sessions and API keys last."""
CREDENTIALS = ["access token of a user", "API key", "access token of a service"]


class Process:
    """One that trusts its memory, and never finds that a second has passed."""

    def __init__(self, lane: FastLane, tokens: AccessTokenReader) -> None:
        self._clock = SetClock()
        self.tokens = tokens
        self.memory = AccessMemory(100, self._clock)
        credentials = CredentialRepository(lane)
        reader = AccessReader(self.memory, SubjectRepository(lane), credentials)
        self.recognised = RecognisedCallers(self.memory, tokens, self._clock)
        key_usage = KeyUsage(credentials, self._clock)
        self.authenticator = CredentialAuthenticator(tokens, reader, key_usage, self.recognised)
        self.set_database_clock(datetime.now(UTC))

    def set_database_clock(self, now: datetime) -> None:
        """Trust the memory, with PostgreSQL's clock at this instant."""
        self.memory.trust(inf, now.timestamp() - self._clock.steady())


@pytest.fixture
async def token_clock() -> SetClock:
    """The clock by which access tokens expire."""
    return SetClock()


@pytest.fixture
async def process(settings: Settings, service: Service, token_clock: SetClock) -> AsyncIterator[Process]:
    engine, lane = create_engine(settings), FastLane(settings)
    ring = make_key_ring(settings, engine)
    yield Process(lane, AccessTokenReader(ring, AccessTokenCodec(service.url, 3600), token_clock))
    lane.close()
    await engine.dispose()


@pytest.fixture(scope="module")
def permission() -> str:
    return f"{unique('reels')}:watch"


@pytest.fixture(scope="module")
def window_end() -> datetime:
    return datetime.now(UTC) + WINDOW


@pytest.fixture(scope="module")
async def credentials(admin: Caller, register: Register, permission: str, window_end: datetime) -> dict[str, str]:
    """One of each kind, whose owner holds the permission until the window ends."""
    role, user = await given.role(admin, permission), await register()
    terms = {"expires_at": window_end.isoformat()}
    await given.assignment(admin, user.id, role["id"], **terms)
    robot = await machines.machine(admin)
    response = await admin.put(f"{machines.ACCOUNTS}/{robot.id}/roles/{role['id']}", terms)
    assert response.is_success, response.text
    return dict(zip(CREDENTIALS, [user.access_token, robot.key, await robot.exchange()], strict=True))


async def recognised(process: Process, credential: str) -> Principal:
    """The principal of the credential, by which its caller is recognised from now on."""
    principal = await process.authenticator.authenticate(credential)
    assert process.recognised.find(credential) is principal
    return principal


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_permission_is_gone_at_the_instant_at_which_its_window_ends(
    process: Process, credentials: dict[str, str], kind: str, permission: str, window_end: datetime
) -> None:
    credential = credentials[kind]
    assert permission in (await recognised(process, credential)).permissions

    process.set_database_clock(window_end - timedelta(seconds=0.001))
    assert permission in (await process.authenticator.authenticate(credential)).permissions
    process.set_database_clock(window_end)
    assert permission not in (await process.authenticator.authenticate(credential)).permissions


@pytest.mark.parametrize("kind", ["access token of a user", "access token of a service"])
async def test_token_is_verified_anew_at_the_instant_at_which_it_expires(
    process: Process, token_clock: SetClock, credentials: dict[str, str], kind: str
) -> None:
    await recognised(process, credentials[kind])
    claims = await process.tokens.read(credentials[kind])
    verified = process.tokens.misses

    token_clock.seconds = claims.expires_at - 1
    await process.authenticator.authenticate(credentials[kind])
    assert process.tokens.misses == verified
    token_clock.seconds = claims.expires_at
    await process.authenticator.authenticate(credentials[kind])
    assert process.tokens.misses == verified + 1
