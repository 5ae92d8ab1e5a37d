"""An attempt counts as a failure only when its password was checked. One that is refused before is not counted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.services.sign_in_throttle import MOST_GUESSES, MOST_GUESSES_OF_STRANGERS
from tests.api.metrics_page import Scrape
from tests.api.operations import OPERATIONS
from tests.api.problems import code_of
from tests.api.test_changes_meanwhile import WAITING_FOR_THIS
from tests.api.writes import NEW_PASSWORD
from tests.eventually import eventually
from tests.factories import RegisterRequestFactory, UserCreateFactory, unique_email
from tests.fixtures import Caller, Database, Register, Service, ServiceFactory

LOGIN, REAUTHENTICATE, PASSWORD_CHANGE = (
    "/api/v1/auth/login",
    "/api/v1/auth/reauthenticate",
    "/api/v1/users/me/password",
)
WRONG = "no password of anybody"
NETWORK_FAILURES = 3
"""After so many failures, a network may make one attempt at a time."""
FREE = 5
SLOW_HASH = "$argon2id$v=19$m=19456,t=500,p=1$c29tZSBzYWx0IG9mIG91cnM$YSBkaWdlc3Qgb2Ygbm90aGluZyBhdCBhbGwsIDMyIGI"
"""Checking a password against this hash takes seconds."""

Counters: TypeAlias = dict[tuple[str, bytes], tuple[int, int]]
"""Failures and streak, by purpose and subject."""
Attempt: TypeAlias = Callable[[], Coroutine[Any, Any, httpx.Response]]


async def counters(db: asyncpg.Connection) -> Counters:
    rows = await db.fetch("SELECT purpose, subject, failures, streak FROM throttles")
    return {(row["purpose"], row["subject"]): (row["failures"], row["streak"]) for row in rows}


async def sit_out_the_delays(db: asyncpg.Connection) -> None:
    await db.execute("UPDATE throttles SET blocked_until = now() WHERE blocked_until > now()")


def from_somewhere() -> dict[str, str]:
    """The header of a request from a network that nobody has used before."""
    return {"X-Forwarded-For": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}


@pytest.fixture
async def busy(
    database: Database, service: Service, service_factory: ServiceFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Clients of a service that checks one password while one more waits, and that trusts a proxy."""
    running = await service_factory(
        database,
        public_url=service.url,
        hash_concurrency="1",
        hash_queue_size="1",
        trusted_proxies="127.0.0.1",
        throttle_network_failures=str(NETWORK_FAILURES),
        database_fast_lane_connections="20",
        database_lock_timeout_seconds="30",
        database_command_timeout_seconds="30",
    )
    async with running.client() as http:
        yield http


def sign_in_by(http: httpx.AsyncClient, email: str, headers: dict[str, str], **members: str) -> Attempt:
    body = {"email": email, "password": WRONG} | members
    return lambda: http.post(LOGIN, json=body, headers=headers)


def act_by(http: httpx.AsyncClient, user: Caller, path: str, body: dict[str, Any]) -> Attempt:
    headers = {"Authorization": f"Bearer {user.access_token}"} | from_somewhere()
    return lambda: http.post(path, json=body, headers=headers)


async def counted_attempts(http: httpx.AsyncClient, register: Register, db: asyncpg.Connection) -> dict[str, Attempt]:
    """One attempt of each kind that is counted before its password is checked. Each has failed once."""
    users = {name: await register() for name in ("account", "network", "device", "session", "password", "closed")}
    device_token = (await sign_in_by(http, users["device"].email, {}, password=users["device"].password)()).json()
    network = from_somewhere()
    attempts = {
        "account": sign_in_by(http, users["account"].email, from_somewhere()),
        "address": sign_in_by(http, unique_email(), from_somewhere()),
        "network": sign_in_by(http, users["network"].email, network),
        "device": sign_in_by(http, users["device"].email, from_somewhere(), device_token=device_token["device_token"]),
        "session": act_by(http, users["session"], REAUTHENTICATE, {"password": WRONG}),
        "password": act_by(
            http, users["password"], PASSWORD_CHANGE, {"current_password": WRONG, "new_password": NEW_PASSWORD}
        ),
        "closed": sign_in_by(http, users["closed"].email, from_somewhere()),
    }
    others = [sign_in_by(http, unique_email(), network) for _ in range(NETWORK_FAILURES - 1)]
    for attempt in (*others, *attempts.values()):
        assert code_of(await attempt(), 401) == "invalid_credentials"
    many = "UPDATE throttles SET failures = $2 WHERE purpose = 'account' AND subject = $1"
    await db.execute(many, UUID(users["closed"].id).bytes, MOST_GUESSES_OF_STRANGERS + 1)
    return attempts


def uncounted_attempts(http: httpx.AsyncClient, admin: Caller) -> dict[str, Attempt]:
    """Requests with a password that a full queue refuses before anything is counted."""
    credential = {"Authorization": f"Bearer {admin.access_token}"}
    bodies = [msgspec.to_builtins(factory.build()) for factory in (RegisterRequestFactory, UserCreateFactory)]
    bodies[1]["password"] = bodies[0]["password"]
    return {
        "login": sign_in_by(http, unique_email(), from_somewhere()),
        "register": lambda: http.post("/api/v1/auth/register", json=bodies[0], headers=from_somewhere()),
        "createUser": lambda: http.post("/api/v1/users", json=bodies[1], headers=credential),
    }


async def has_hashes(http: httpx.AsyncClient, *, running: int, waiting: int) -> bool:
    page = Scrape((await http.get("/metrics")).text)
    found = page.total("cms_password_hashes_running"), page.total("cms_password_hashes_waiting")
    return found == (running, waiting)


@asynccontextmanager
async def full_queue(http: httpx.AsyncClient, db: asyncpg.Connection, slow: Caller) -> AsyncIterator[None]:
    """Keep the queue of passwords full during the block."""
    await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", slow.id, SLOW_HASH)
    first = asyncio.create_task(sign_in_by(http, slow.email, from_somewhere())())
    await eventually(partial(has_hashes, http, running=1, waiting=0))
    second = asyncio.create_task(sign_in_by(http, unique_email(), from_somewhere())())
    await eventually(partial(has_hashes, http, running=1, waiting=1))
    try:
        yield
    finally:
        answers = await asyncio.gather(first, second)
    # The passwords that filled the queue were checked.
    assert [code_of(answer, 401) for answer in answers] == ["invalid_credentials"] * 2


def test_every_operation_with_a_present_password_is_among_those_shown_here() -> None:
    taking = {
        operation.path
        for operation in OPERATIONS
        if operation.body is not None and {"password", "current_password"} & operation.body["properties"].keys()
    }
    assert taking == {LOGIN, REAUTHENTICATE, PASSWORD_CHANGE, "/api/v1/auth/register", "/api/v1/users"}


async def test_nothing_is_counted_when_the_queue_of_passwords_is_full(
    admin: Caller, register: Register, database: Database, db: asyncpg.Connection, busy: httpx.AsyncClient
) -> None:
    attempts, slow = await counted_attempts(busy, register, db), await register()
    await sit_out_the_delays(db)
    before = await counters(db)
    holder = await database.connect()
    try:
        # The attempts pass the first check of the queue, and stop at the lock where they are counted.
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT 1 FROM throttles FOR UPDATE")
        tasks = {name: asyncio.create_task(attempt()) for name, attempt in attempts.items()}

        async def are_all_waiting() -> bool:
            return bool(await holder.fetchval(WAITING_FOR_THIS) == len(tasks))

        await eventually(are_all_waiting)
        async with full_queue(busy, db, slow):
            await transaction.rollback()
            refused = {name: await task for name, task in tasks.items()}
            refused |= {name: await attempt() for name, attempt in uncounted_attempts(busy, admin).items()}
            after = await counters(db)
    finally:
        await holder.close()

    assert {name: code_of(answer, 503) for name, answer in refused.items()} == dict.fromkeys(refused, "overloaded")
    futile = {key for key, (failures, _) in before.items() if failures > MOST_GUESSES_OF_STRANGERS}
    assert {key: after[key] for key in before.keys() - futile} == {key: before[key] for key in before.keys() - futile}
    assert [after[key][0] for key in futile] == [before[key][0] for key in futile]
    # The two that fill the queue are counted, for their accounts.
    assert sorted(purpose for purpose, _ in after.keys() - before.keys()) == ["account", "address"]


async def test_network_is_not_charged_when_the_account_refuses(
    register: Register, db: asyncpg.Connection, busy: httpx.AsyncClient
) -> None:
    blocked, other = await register(), await register()
    network = from_somewhere()
    for _ in range(NETWORK_FAILURES):
        assert code_of(await sign_in_by(busy, unique_email(), network)(), 401) == "invalid_credentials"
    for _ in range(FREE):
        assert code_of(await sign_in_by(busy, blocked.email, from_somewhere())(), 401) == "invalid_credentials"
    await sit_out_the_delays(db)
    long_delay = "UPDATE throttles SET blocked_until = now() + interval '1 hour' WHERE subject = $1"
    await db.execute(long_delay, UUID(blocked.id).bytes)
    before = await counters(db)

    refusal = await sign_in_by(busy, blocked.email, network, password=blocked.password)()

    assert code_of(refusal, 429) == "rate_limited"
    assert refusal.headers["RateLimit-Policy"] == f'"account";q={FREE}'
    assert await counters(db) == before
    assert (await sign_in_by(busy, other.email, network, password=other.password)()).status_code == 200


@pytest.mark.parametrize("way", ["sign-in", "device", "session", "password"])
async def test_failures_are_forgotten_when_the_password_is_right(
    register: Register, db: asyncpg.Connection, way: str
) -> None:
    user = await register()
    signed_in = (await sign_in_by(user.http, user.email, {}, password=user.password)()).json()
    device = {"device_token": signed_in["device_token"]}

    def attempt_with(password: str) -> Attempt:
        change = {"current_password": password, "new_password": NEW_PASSWORD}
        attempts = {
            "sign-in": sign_in_by(user.http, user.email, {}, password=password),
            "device": sign_in_by(user.http, user.email, {}, password=password, **device),
            "session": act_by(user.http, user, REAUTHENTICATE, {"password": password}),
            "password": act_by(user.http, user, PASSWORD_CHANGE, change),
        }
        return attempts[way]

    before = await counters(db)
    for _ in range(FREE - 1):
        assert code_of(await attempt_with(WRONG)(), 401) == "invalid_credentials"
    # A success does not speak for others in the same network.
    charged = {key for key, value in (await counters(db)).items() if key[0] != "network" and before.get(key) != value}
    assert "account" in {purpose for purpose, _ in charged}

    assert (await attempt_with(user.password)()).is_success

    left = await counters(db)
    assert {key: left.get(key, (0, 0))[0] for key in charged} == dict.fromkeys(charged, 0)


@pytest.mark.parametrize("way", ["device", "session"])
async def test_attempt_that_is_known_is_not_charged_when_the_account_is_closed(
    admin: Caller, register: Register, db: asyncpg.Connection, way: str
) -> None:
    user = await register()
    signed_in = (await sign_in_by(user.http, user.email, {}, password=user.password)()).json()
    own_device = {"password": user.password, "device_token": signed_in["device_token"]}
    attempt = {
        "device": sign_in_by(user.http, user.email, {}, **own_device),
        "session": act_by(user.http, user, REAUTHENTICATE, {"password": user.password}),
    }[way]
    many = "INSERT INTO throttles (purpose, subject, failures) VALUES ('account', $1, $2)"
    await db.execute(many, UUID(user.id).bytes, MOST_GUESSES)

    for _ in range(FREE + 2):
        refusal = await attempt()
        assert code_of(refusal, 429) == "rate_limited"
        assert refusal.headers["RateLimit-Policy"] == f'"account";q={MOST_GUESSES}'
    throttle = (await admin.get(f"/api/v1/users/{user.id}/throttle")).json()
    assert throttle["failures"] == MOST_GUESSES + 1
    assert (await admin.delete(f"/api/v1/users/{user.id}/throttle")).status_code == 204

    assert (await attempt()).status_code == 200
