"""When a caller is recognised without looking at its credential again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from math import inf
from typing import TypeAlias
from uuid import uuid4

import pytest

from cms_service.core.config import load_settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.security import Principal, SubjectType
from cms_service.repositories import Change
from cms_service.services import AccessMemory, RecognisedCallers
from cms_service.services.recognition import LONGEST_RECOGNITION_SECONDS, Caller
from tests.clocks import SetClock
from tests.fixtures import DatabaseFactory, service_environ
from tests.forgeries import LIFETIME
from tests.services.token_process import TokenProcess

PRINCIPAL = Principal(subject_type=SubjectType.user, subject_id=uuid4(), permissions=frozenset(["articles:read"]))
API_KEY = "an API key"
ENDS_AT = 5_000.0
"""By the database's clock."""


class SteadyClock(SetClock):
    """A wall clock that a test sets, and a steady clock that it sets apart from it."""

    steady_seconds = 1_000.0

    def steady(self) -> float:
        return self.steady_seconds


class Recognising:
    """A process that has just looked at the credentials of a caller: an access token and an API key."""

    def __init__(self, tokens: TokenProcess) -> None:
        self.tokens = tokens
        self.clock = SteadyClock()
        self.memory = AccessMemory(100, self.clock)
        self.memory.trust(inf, 0)
        self.recognised = RecognisedCallers(self.memory, tokens.reader, self.clock)
        self.token = ""
        self.key_id = ""

    async def look(self) -> None:
        """Look at both credentials."""
        self.token = await self.tokens.token()
        claims = await self.tokens.reader.read(self.token)
        self.key_id = claims.key_id
        generation = self.recognised.generation
        self.recognised.keep(self.token, Caller(PRINCIPAL, ENDS_AT, claims), generation)
        self.recognised.keep(API_KEY, Caller(PRINCIPAL, ENDS_AT), generation)

    @property
    def found(self) -> tuple[bool, bool]:
        """Whether the caller is recognised by its access token, and by its API key."""
        by_token, by_key = [self.recognised.find(credential) for credential in (self.token, API_KEY)]
        assert by_token in (PRINCIPAL, None)
        assert by_key in (PRINCIPAL, None)
        return by_token is not None, by_key is not None


@pytest.fixture
async def process(fresh_database: DatabaseFactory) -> AsyncIterator[Recognising]:
    engine = create_engine(load_settings(service_environ(await fresh_database())))
    running = Recognising(TokenProcess(partial(unit_of_work, engine)))
    await running.look()
    yield running
    await engine.dispose()


Event: TypeAlias = Callable[[Recognising], Awaitable[None]]


async def nothing(_: Recognising) -> None:
    """Nothing happens."""


async def somebody_changes(process: Recognising) -> None:
    """Hear of a change of another account."""
    process.memory.forget([Change("principal", uuid4())])


async def everything_is_forgotten(process: Recognising) -> None:
    """Hear of too many changes."""
    process.memory.forget_all()


async def lease_is_given_up(process: Recognising) -> None:
    """Lose the database."""
    process.memory.distrust()


async def lease_runs_out(process: Recognising) -> None:
    """Reach the end of the lease."""
    process.memory.trust(process.clock.steady_seconds, 0)


async def lease_runs_out_meanwhile(process: Recognising) -> None:
    """Lose the database and find it again, which forgets everything."""
    process.memory.distrust()
    process.memory.forget_all()
    process.memory.trust(inf, 0)


async def session_ends(process: Recognising) -> None:
    """Reach the end of the session by the database's clock, which may also have been set."""
    process.memory.trust(inf, ENDS_AT - process.clock.steady_seconds)


async def session_is_about_to_end(process: Recognising) -> None:
    """Reach the moment before."""
    process.memory.trust(inf, ENDS_AT - process.clock.steady_seconds - 0.1)


async def token_expires(process: Recognising) -> None:
    """Set the clock of this machine to the moment at which the access token expires."""
    process.tokens.clock.at += LIFETIME


async def token_is_about_to_expire(process: Recognising) -> None:
    """Set the clock of this machine to the second before."""
    process.tokens.clock.at += LIFETIME - timedelta(seconds=1)


async def signing_key_is_retired(process: Recognising) -> None:
    """Retire the key that signed the access token."""
    await process.tokens.replace_key()
    await process.tokens.retire(process.key_id)


async def signing_key_runs_out(process: Recognising) -> None:
    """Reach the moment at which a replaced key no longer verifies."""
    replaced = await process.tokens.replace_key()
    assert replaced.retires_at is not None
    process.tokens.clock.at = replaced.retires_at


async def a_second_passes(process: Recognising) -> None:
    """Reach the moment at which the credential is looked at in full."""
    process.clock.steady_seconds += LONGEST_RECOGNITION_SECONDS


async def nearly_a_second_passes(process: Recognising) -> None:
    """Reach the moment before."""
    process.clock.steady_seconds += LONGEST_RECOGNITION_SECONDS - 0.1


EVENTS: dict[Event, tuple[bool, bool]] = {
    nothing: (True, True),
    somebody_changes: (False, False),
    everything_is_forgotten: (False, False),
    lease_is_given_up: (False, False),
    lease_runs_out: (False, False),
    lease_runs_out_meanwhile: (False, False),
    session_ends: (False, False),
    session_is_about_to_end: (True, True),
    # Only access tokens depend on the clock of this machine, and on a signing key.
    token_expires: (False, True),
    token_is_about_to_expire: (True, True),
    signing_key_is_retired: (False, True),
    signing_key_runs_out: (False, True),
    a_second_passes: (False, False),
    nearly_a_second_passes: (True, True),
}
"""Events, and whether the caller is then recognised by its access token and by its API key."""


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
async def test_caller_is_recognised_only_while_everything_is_as_it_was(process: Recognising, event: Event) -> None:
    assert process.found == (True, True)

    await event(process)

    assert process.found == EVENTS[event]


async def test_caller_is_not_recognised_when_something_changed_while_its_credential_was_looked_at(
    process: Recognising,
) -> None:
    generation = process.recognised.generation
    process.memory.forget([])

    process.recognised.keep("another key", Caller(PRINCIPAL, ENDS_AT), generation)

    assert process.recognised.find("another key") is None


async def test_caller_is_not_recognised_when_the_memory_was_not_trusted(process: Recognising) -> None:
    process.memory.distrust()
    process.recognised.keep("another key", Caller(PRINCIPAL, ENDS_AT), process.recognised.generation)
    process.memory.trust(inf, 0)

    assert process.recognised.find("another key") is None


async def test_caller_is_not_recognised_by_another_credential(process: Recognising) -> None:
    assert process.recognised.find(f"{API_KEY}.") is None
    assert process.recognised.find("") is None
