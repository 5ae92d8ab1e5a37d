"""Credentials that a process remembers, whose key or account ended before it was told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from math import inf
from uuid import UUID

import jwt
import pytest

from cms_service.app import create_app
from cms_service.core.config import Settings
from cms_service.core.database import FastLane, create_engine, unit_of_work
from cms_service.core.dependencies import SystemClock
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import AccessTokenCodec, digest_of_api_key
from cms_service.parts import make_key_ring
from cms_service.repositories import CredentialRepository, DirectoryRepository, SubjectRepository
from cms_service.schemas import IntrospectionRequest
from cms_service.services import (
    AccessMemory,
    AccessReader,
    AccessTokenReader,
    CredentialAuthenticator,
    IntrospectionService,
    Introspector,
    KeyUsage,
    RecognisedCallers,
    UserDirectory,
)
from tests.api.credentials import session_id_of
from tests.api.machines import ACCOUNTS, Machine, machine
from tests.fixtures import Caller, Register, Service


class Process:
    """One that trusts its memory for ever, and is told of no change."""

    def __init__(self, settings: Settings, public_url: str) -> None:
        self._lane = FastLane(settings)
        self._engine = create_engine(settings)
        clock = SystemClock()
        memory = AccessMemory(100, clock)
        memory.trust(inf, 0)
        credentials = CredentialRepository(self._lane)
        tokens = AccessTokenReader(make_key_ring(settings, self._engine), AccessTokenCodec(public_url, 3600), clock)
        self.reader = AccessReader(memory, SubjectRepository(self._lane), credentials)
        recognised = RecognisedCallers(memory, tokens, clock)
        self.authenticator = CredentialAuthenticator(tokens, self.reader, KeyUsage(credentials, clock), recognised)
        directory = UserDirectory(DirectoryRepository(self._lane))
        issuer = create_app(settings).litestar.state["issuer"]
        self._introspector = Introspector(self.authenticator, tokens, credentials, directory, issuer)

    async def is_active(self, token: str) -> bool:
        """Return whether introspection calls the token active."""
        async with unit_of_work(self._engine) as work:
            request = IntrospectionRequest(token=token)
            return (await IntrospectionService(work, self._introspector).introspect(request)).active

    async def end(self) -> None:
        self._lane.close()
        await self._engine.dispose()


@pytest.fixture
async def process(settings: Settings, service: Service) -> AsyncIterator[Process]:
    running = Process(settings, service.url)
    yield running
    await running.end()


@pytest.fixture
async def robot(admin: Caller) -> Machine:
    return await machine(admin)


async def test_api_key_is_refused_when_its_account_has_ended(process: Process, admin: Caller, robot: Machine) -> None:
    assert await process.reader.find_key(digest_of_api_key(robot.key))

    assert (await admin.patch(robot.path, {"is_active": False}, if_match="*")).is_success

    with pytest.raises(TokenInvalid):
        await process.authenticator.authenticate(robot.key)


async def test_token_of_a_service_account_is_refused_when_that_has_ended(
    process: Process, admin: Caller, robot: Machine
) -> None:
    token = await robot.exchange()
    token_id = UUID(jwt.decode(token, options={"verify_signature": False})["jti"])
    assert await process.reader.find_key_of_token(UUID(robot.key_id), token_id)

    assert (await admin.patch(robot.path, {"is_active": False}, if_match="*")).is_success

    with pytest.raises(TokenInvalid):
        await process.authenticator.authenticate(token)


async def test_token_of_a_user_is_refused_when_the_account_has_ended(
    process: Process, admin: Caller, register: Register
) -> None:
    ada = await register()
    assert await process.reader.find_session(UUID(session_id_of(ada.access_token)))

    assert (await admin.post(f"/api/v1/users/{ada.id}/deactivate")).is_success

    with pytest.raises(TokenInvalid):
        await process.authenticator.authenticate(ada.access_token)


async def revoke_key(admin: Caller, robot: Machine) -> None:
    assert (await admin.delete(f"{ACCOUNTS}/{robot.id}/keys/{robot.key_id}")).is_success


async def delete_account(admin: Caller, robot: Machine) -> None:
    assert (await admin.delete(robot.path, if_match="*")).is_success


@pytest.mark.parametrize("end", [revoke_key, delete_account])
async def test_introspection_calls_a_key_inactive_when_it_has_ended(
    process: Process, admin: Caller, robot: Machine, end: Callable[[Caller, Machine], Awaitable[None]]
) -> None:
    assert await process.is_active(robot.key)

    await end(admin, robot)

    assert not await process.is_active(robot.key)


async def test_introspection_calls_a_token_inactive_when_its_user_was_deleted(
    process: Process, admin: Caller, register: Register
) -> None:
    ada = await register()
    assert await process.is_active(ada.access_token)

    assert (await admin.delete(f"/api/v1/users/{ada.id}", if_match="*")).is_success

    assert not await process.is_active(ada.access_token)
