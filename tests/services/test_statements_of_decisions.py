"""How many statements the hottest paths cost: without trust in the memory, when it is empty, and when it is warm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import FastLane, create_engine
from cms_service.core.dependencies import SystemClock
from cms_service.core.exceptions import ServiceError
from cms_service.core.security import AccessTokenCodec, Principal, SubjectType, write_api_key
from cms_service.parts import make_key_ring
from cms_service.repositories import CredentialRepository, SubjectRepository
from cms_service.schemas import AccessAction, AccessResource, AccessSubject, EvaluationItem, EvaluationsRequest
from cms_service.services import (
    AccessMemory,
    AccessReader,
    AccessTokenReader,
    CredentialAuthenticator,
    DecisionPoint,
    EvaluationService,
    KeyUsage,
    Question,
    RecognisedCallers,
)
from tests.api import given, machines
from tests.factories import unique, unique_email
from tests.fixtures import Caller, Register, Service

FAR_FUTURE = 1e12
"""In seconds since the epoch."""
ASKER = Principal(subject_type=SubjectType.service, subject_id=uuid4(), permissions=frozenset(["access:check"]))


class People(msgspec.Struct, frozen=True):
    """The accounts and the credentials that the cases use."""

    kind: str
    user: given.Json
    """Holds `kind:watch`."""
    wild_user: given.Json
    """Holds `kind:*`."""
    foreign_user: given.Json
    """Another system knows this user by a UUID."""
    sleeping_user: given.Json
    ada: Caller
    left: Caller
    """Has logged out."""
    robot: machines.Machine
    service_token: str
    revoked_token: str


class Process:
    """The parts of one process that decide. Its fast lane has one connection, whose statements can be counted."""

    def __init__(self, lane: FastLane, tokens: AccessTokenReader, *, is_trusted: bool) -> None:
        self._lane = lane
        self.memory = AccessMemory(100, SystemClock())
        if is_trusted:
            self.memory.trust(inf, 0)
        credentials = CredentialRepository(lane)
        self.reader = AccessReader(self.memory, SubjectRepository(lane), credentials)
        self.decisions = DecisionPoint(self.reader)
        self.authenticator = CredentialAuthenticator(
            tokens,
            self.reader,
            KeyUsage(credentials, SystemClock()),
            RecognisedCallers(self.memory, tokens, SystemClock()),
        )

    async def count(self, act: Awaitable[object]) -> int:
        """How many statements it takes, even where it is refused."""
        (connection,) = self._lane._idle
        statements: list[str] = []

        def note(statement: asyncpg.connection.LoggedQuery) -> None:
            statements.append(statement.query)

        with connection.query_logger(note):
            with suppress(ServiceError):
                await act
            await asyncio.sleep(0)  # The driver tells of a statement right after it.
        assert self._lane.opened == 1
        return len(statements)


@pytest.fixture(scope="module")
async def people(admin: Caller, register: Register) -> People:
    kind = unique("reels")
    watcher, wild = await given.role(admin, f"{kind}:watch"), await given.role(admin, f"{kind}:*")
    await given.permission(admin, f"{kind}:cut")
    user, wild_user, sleeping = [await given.user(admin) for _ in range(3)]
    foreign = await given.user(admin, external_id=str(uuid4()))
    for account, role in ((user, watcher), (foreign, watcher), (sleeping, watcher), (wild_user, wild)):
        await given.assignment(admin, account["id"], role["id"])
    await admin.post(f"/api/v1/users/{sleeping['id']}/deactivate")
    robot, left = await machines.machine(admin, f"{kind}:watch"), await register()
    revoked = await robot.exchange()
    await robot.http.post(machines.REVOKE, data={"token": revoked})
    await left.post("/api/v1/auth/logout")
    return People(
        kind=kind,
        user=user,
        wild_user=wild_user,
        foreign_user=foreign,
        sleeping_user=sleeping,
        ada=await register(),
        left=left,
        robot=robot,
        service_token=await robot.exchange(),
        revoked_token=revoked,
    )


@pytest.fixture(scope="module")
async def tokens(settings: Settings, service: Service) -> AsyncIterator[AccessTokenReader]:
    """It reads the signing keys on connections of its own."""
    engine, clock = create_engine(settings), SystemClock()
    yield AccessTokenReader(make_key_ring(settings, engine), AccessTokenCodec(service.url, 3600), clock)
    await engine.dispose()


@asynccontextmanager
async def process(settings: Settings, tokens: AccessTokenReader, *, is_trusted: bool) -> AsyncIterator[Process]:
    lane = FastLane(settings)
    running = Process(lane, tokens, is_trusted=is_trusted)
    try:
        # The lane opens its connection, and the driver looks up the types of arrays; nothing is remembered.
        await SubjectRepository(lane).list_permissions()
        yield running
    finally:
        lane.close()


Act: TypeAlias = Callable[[Process, People], Awaitable[object]]
Costs: TypeAlias = tuple[int, int, int]
"""Statements without trust in the memory, with an empty memory, and with a warm one."""


def ask(name: Callable[[People], str], action: str = "watch", kind: str = "user") -> Act:
    """A decision about who has the name."""

    async def act(running: Process, people: People) -> object:
        return await running.decisions.decide(Question(kind, name(people), f"{people.kind}:{action}"))

    return act


def show(credential: Callable[[People], str]) -> Act:
    """A request with the credential."""
    return lambda running, people: running.authenticator.authenticate(credential(people))


def act_for(user_token: Callable[[People], str], acting: SubjectType = SubjectType.service) -> Act:
    """A request on behalf of a user."""
    caller = Principal(subject_type=acting, subject_id=uuid4(), permissions=frozenset())
    return lambda running, people: running.authenticator.authenticate_on_behalf(caller, user_token(people))


def ask_at_once(*actions: str) -> Act:
    """Many questions about one user in one request."""

    async def act(running: Process, people: People) -> object:
        questions = EvaluationsRequest(
            subject=AccessSubject("user", people.wild_user["id"]),
            resource=AccessResource(people.kind, "1"),
            evaluations=[EvaluationItem(action=AccessAction(action)) for action in actions],
        )
        return await EvaluationService(running.decisions, ASKER).evaluate_all(questions)

    return act


CASES: dict[str, tuple[Act, Costs]] = {
    "user by id": (ask(lambda people: people.user["id"]), (1, 1, 0)),
    "user by id, who may not": (ask(lambda people: people.user["id"], "cut"), (1, 1, 0)),
    "user by e-mail address": (ask(lambda people: people.user["email"]), (2, 2, 0)),
    "user by external id": (ask(lambda people: people.user["external_id"]), (2, 2, 0)),
    "user by external id that is a UUID": (ask(lambda people: people.foreign_user["external_id"]), (3, 3, 1)),
    "service by id": (ask(lambda people: people.robot.id, kind="service"), (1, 1, 0)),
    "service by name": (ask(lambda people: people.robot.name, kind="service"), (2, 2, 0)),
    "user with a wildcard": (ask(lambda people: people.wild_user["id"], "cut"), (2, 2, 0)),
    "user with the wildcard itself": (ask(lambda people: people.wild_user["id"], "*"), (1, 1, 0)),
    "undefined permission under a wildcard": (ask(lambda people: people.wild_user["id"], "burn"), (2, 2, 0)),
    "undefined permission without a wildcard": (ask(lambda people: people.user["id"], "burn"), (1, 1, 0)),
    # Missing accounts are not remembered: they may be created at any moment.
    "sleeping user by id": (ask(lambda people: people.sleeping_user["id"]), (2, 2, 2)),
    "sleeping user by e-mail address": (ask(lambda people: people.sleeping_user["email"]), (2, 2, 2)),
    "unknown id": (ask(lambda _: str(uuid4())), (2, 2, 2)),
    "unknown e-mail address": (ask(lambda _: unique_email()), (1, 1, 1)),
    "unknown name of a service": (ask(lambda _: unique("nobody"), kind="service"), (1, 1, 1)),
    "unknown type": (ask(lambda people: people.user["id"], kind="device"), (0, 0, 0)),
    "three questions about one user": (ask_at_once("*", "*", "*"), (1, 1, 0)),
    "access token of a user": (show(lambda people: people.ada.access_token), (2, 2, 0)),
    "access token of an ended session": (show(lambda people: people.left.access_token), (1, 1, 1)),
    "API key": (show(lambda people: people.robot.key), (2, 2, 0)),
    "unknown API key": (show(lambda _: write_api_key(uuid4().bytes * 2)), (1, 1, 1)),
    "mistyped API key": (show(lambda people: f"{people.robot.key}x"), (0, 0, 0)),
    "access token of a service": (show(lambda people: people.service_token), (2, 2, 0)),
    "revoked access token of a service": (show(lambda people: people.revoked_token), (1, 1, 1)),
    "no token at all": (show(lambda _: "x"), (0, 0, 0)),
    "on behalf of a user": (act_for(lambda people: people.ada.access_token), (2, 2, 0)),
    "on behalf of a service": (act_for(lambda people: people.service_token), (0, 0, 0)),
    "user on behalf of a user": (act_for(lambda people: people.ada.access_token, SubjectType.user), (0, 0, 0)),
    "all permissions": (lambda running, _: running.reader.list_permissions(), (1, 1, 0)),
}


@pytest.mark.parametrize("case", CASES)
async def test_path_costs_so_many_statements(
    settings: Settings, people: People, tokens: AccessTokenReader, case: str
) -> None:
    act, expected = CASES[case]
    async with process(settings, tokens, is_trusted=False) as running:
        untrusted = await running.count(act(running, people))
    async with process(settings, tokens, is_trusted=True) as running:
        cold, warm = [await running.count(act(running, people)) for _ in range(2)]

    assert (untrusted, cold, warm) == expected


@pytest.mark.parametrize("case", CASES)
async def test_memory_is_neither_filled_nor_asked_when_it_is_not_trusted(
    settings: Settings, people: People, tokens: AccessTokenReader, case: str
) -> None:
    act, (untrusted, cold, _) = CASES[case]
    async with process(settings, tokens, is_trusted=False) as running:
        for _ in range(2):
            assert await running.count(act(running, people)) == untrusted
        running.memory.trust(inf, 0)
        assert await running.count(act(running, people)) == cold
        running.memory.distrust()
        assert await running.count(act(running, people)) == untrusted


@pytest.mark.parametrize("case", CASES)
async def test_answer_is_not_remembered_when_something_changes_while_it_is_read(
    settings: Settings, people: People, tokens: AccessTokenReader, case: str
) -> None:
    act, (_, cold, _) = CASES[case]
    async with process(settings, tokens, is_trusted=True) as running:

        async def act_while_much_changes() -> None:
            acting = asyncio.ensure_future(act(running, people))
            while not acting.done():
                running.memory.forget([])
                await asyncio.sleep(0)
            await acting

        await running.count(act_while_much_changes())

        assert await running.count(act(running, people)) == cold


@pytest.mark.parametrize("case", ["access token of a user", "API key", "access token of a service"])
async def test_remembered_credential_is_read_again_when_its_time_is_over(
    settings: Settings, people: People, tokens: AccessTokenReader, case: str
) -> None:
    act, _ = CASES[case]
    async with process(settings, tokens, is_trusted=True) as running:
        await running.count(act(running, people))
        running.memory.trust(inf, FAR_FUTURE)

        assert await running.count(act(running, people)) == 1
