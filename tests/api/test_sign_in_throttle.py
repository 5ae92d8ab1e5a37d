import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.core.security import Device, DeviceTokenCodec, derive_key
from cms_service.services.sign_in_throttle import MOST_GUESSES, MOST_GUESSES_OF_STRANGERS
from tests.api.credentials import login
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import (
    Caller,
    Database,
    DatabaseFactory,
    Register,
    Service,
    ServiceFactory,
    running_service,
    service_environ,
    sign_in,
)
from tests.fixtures.services import SECRET_KEY

WRONG = "no password of anybody"
LONG_DELAY = "40 seconds"
"""Outlasts a test on a slow machine."""
SAME_ID = {"X-Request-ID": "the-same-for-all"}
FREE = 5
BEFORE_A_REFUSAL = FREE + 1
"""The first delay is so short that the service sits it out."""
DELAYS_END_AFTER = (1, 3, 7, 15, 31)
"""After this many seconds of guessing, 1, 2, 3 … attempts beyond the free ones have been let through."""


async def guess(http: httpx.AsyncClient, email: str, password: str = WRONG, **options: Any) -> httpx.Response:
    return await http.post("/api/v1/auth/login", json={"email": email, "password": password}, **options)


async def fail_until_the_next_waits(
    attempt: Callable[[], Awaitable[httpx.Response]], db: asyncpg.Connection, *purposes: str
) -> None:
    """Leave a delay that outlasts the test. The first delay is ended and not sat out."""
    for number in range(BEFORE_A_REFUSAL):
        if number == FREE:
            await change_delay(db, "0 seconds", *purposes)
        assert code_of(await attempt(), 401) == "invalid_credentials"
    await change_delay(db, LONG_DELAY, *purposes)


async def guess_until_refused(http: httpx.AsyncClient, email: str, db: asyncpg.Connection) -> httpx.Response:
    await fail_until_the_next_waits(partial(guess, http, email), db, "account", "address")
    refusal = await guess(http, email, headers=SAME_ID)
    assert code_of(refusal, 429) == "rate_limited"
    return refusal


async def device_token_of(caller: Caller) -> str:
    response = await login(caller.http, caller.email, caller.password)
    return str(response.json()["device_token"])


async def login_from_device(caller: Caller, device_token: str, password: str | None = None) -> httpx.Response:
    body = {"email": caller.email, "password": password or caller.password, "device_token": device_token}
    return await caller.http.post("/api/v1/auth/login", json=body)


async def sit_out_the_delay(db: asyncpg.Connection) -> None:
    await db.execute("UPDATE throttles SET blocked_until = now() WHERE blocked_until > now()")


async def change_delay(db: asyncpg.Connection, delay: str, *purposes: str) -> None:
    """Let the delay of the counter that failed last end after this interval. Those of others stay."""
    await db.execute(
        "UPDATE throttles SET blocked_until = now() + $2::text::interval WHERE purpose = ANY($1)"
        " AND last_failed_at = (SELECT max(last_failed_at) FROM throttles WHERE purpose = ANY($1))",
        purposes,
        delay,
    )


async def failures_of(db: asyncpg.Connection, caller: Caller) -> int | None:
    subject = UUID(caller.id).bytes
    count: int | None = await db.fetchval(
        "SELECT failures FROM throttles WHERE purpose = 'account' AND subject = $1", subject
    )
    return count


async def test_attempts_wait_after_five_failures(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()

    refusal = await guess_until_refused(ada.http, ada.email, db)

    wait = refusal.headers["Retry-After"]
    assert 1 <= int(wait) <= 40
    assert refusal.headers["RateLimit-Policy"] == '"account";q=5'
    assert refusal.headers["RateLimit"] == f'"account";r=0;t={wait}'
    assert code_of(await guess(ada.http, ada.email, ada.password), 429) == "rate_limited"


@pytest.mark.parametrize("way", ["account", "address", "device", "reauthenticate", "password"])
async def test_service_sits_out_the_first_delay(register: Register, way: str) -> None:
    ada = await register()
    nobody, device_token = f"{unique('nobody')}@example.org", await device_token_of(ada)
    change = {"current_password": WRONG, "new_password": "nine red foxes under a bridge"}
    attempts: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
        "account": lambda: guess(ada.http, ada.email),
        "address": lambda: guess(ada.http, nobody),
        "device": lambda: login_from_device(ada, device_token, WRONG),
        "reauthenticate": lambda: ada.post("/api/v1/auth/reauthenticate", {"password": WRONG}),
        "password": lambda: ada.post("/api/v1/users/me/password", change),
    }

    for _ in range(FREE + 1):
        assert code_of(await attempts[way](), 401) == "invalid_credentials"


async def test_delay_doubles_with_every_failure(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    waits = []

    for _ in range(FREE + 11):
        await guess(ada.http, ada.email)
        delay = "SELECT blocked_until - last_failed_at FROM throttles WHERE subject = $1"
        waits.append(round((await db.fetchval(delay, UUID(ada.id).bytes)).total_seconds()))
        await sit_out_the_delay(db)

    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_address_without_account_is_held_up_alike(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()

    known = await guess_until_refused(ada.http, ada.email, db)
    unknown = await guess_until_refused(ada.http, f"{unique('nobody')}@example.org", db)

    assert known.content == unknown.content
    assert [header for header in known.headers.raw if header[0] != b"date"] == [
        header for header in unknown.headers.raw if header[0] != b"date"
    ]


@pytest.mark.parametrize("is_known", [True, False])
async def test_spellings_of_an_address_count_together(
    register: Register, db: asyncpg.Connection, is_known: bool
) -> None:
    ada = await register()
    local = (ada.email if is_known else f"{unique('nobody')}@example.org").removesuffix("@example.org")
    spellings = cycle((f"{local}@example.org", f"{local.upper()}@example.org", f"{local}@EXAMPLE.org"))
    await fail_until_the_next_waits(lambda: guess(ada.http, next(spellings)), db, "account", "address")

    assert code_of(await guess(ada.http, f"{local.title()}@Example.Org"), 429) == "rate_limited"


async def test_success_ends_the_counting(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    for _ in range(FREE - 1):
        await guess(ada.http, ada.email)

    assert (await login(ada.http, ada.email, ada.password)).status_code == 200

    assert await failures_of(db, ada) is None
    await guess_until_refused(ada.http, ada.email, db)


async def test_a_day_without_attempts_ends_the_delay_and_not_the_counting(
    register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    await guess_until_refused(ada.http, ada.email, db)
    await db.execute(
        "UPDATE throttles SET blocked_until = now(), last_failed_at = now() - interval '25 hours' WHERE subject = $1",
        UUID(ada.id).bytes,
    )

    await guess_until_refused(ada.http, ada.email, db)

    assert await failures_of(db, ada) == 2 * BEFORE_A_REFUSAL


async def test_replicas_count_together(
    register: Register, db: asyncpg.Connection, service: Service, database: Database, service_factory: ServiceFactory
) -> None:
    ada = await register()
    replica = await service_factory(database, public_url=service.url)
    async with replica.client() as other:
        replicas = cycle((ada.http, other))
        await fail_until_the_next_waits(lambda: guess(next(replicas), ada.email), db, "account")

        assert code_of(await guess(other, ada.email), 429) == "rate_limited"
        assert code_of(await guess(ada.http, ada.email), 429) == "rate_limited"


@pytest.mark.slow
async def test_replicas_count_together_while_the_secret_key_changes(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    before = await service_factory(database, secret_key=old, secret_key_previous=new)
    after = await service_factory(database, secret_key=new, secret_key_previous=old)
    email = f"{unique('nobody')}@example.org"
    async with before.client() as http, after.client() as other:
        connection = await database.connect()
        try:
            await guess_until_refused(http, email, connection)
        finally:
            await connection.close()

        assert code_of(await guess(other, email), 429) == "rate_limited"


@pytest.fixture(scope="module")
async def hashing(
    database: Database, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Clients of a service whose hashes take their time, so that attempts overlap while passwords are checked."""
    environ = service_environ(database, public_url=service.url, password_hashing="standard")
    async with running_service(environ, tmp_path_factory.mktemp("hashing")) as running, running.client() as http:
        yield http


async def with_standard_hash(caller: Caller, http: httpx.AsyncClient) -> Caller:
    """The user at another service, where a sign-in has renewed the hash."""
    assert (await login(http, caller.email, caller.password)).status_code == 200
    caller.http = http
    return caller


@pytest.mark.timing
async def test_correct_logins_are_all_let_in_however_many_come_at_once(
    register: Register, hashing: httpx.AsyncClient
) -> None:
    ada = await with_standard_hash(await register(), hashing)

    responses = await asyncio.gather(*(login(ada.http, ada.email, ada.password) for _ in range(32)))

    assert Counter(response.status_code for response in responses) == {200: 32}


async def test_guesses_at_once_are_held_up_too(
    register: Register, hashing: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    ada = await with_standard_hash(await register(), hashing)

    began_at = time.monotonic()
    responses = await asyncio.gather(*(guess(ada.http, ada.email) for _ in range(50)))
    seconds = time.monotonic() - began_at

    counts = Counter(response.status_code for response in responses)
    assert counts.keys() == {401, 429}
    assert counts[401] <= FREE + sum(seconds >= end for end in DELAYS_END_AFTER)
    assert await failures_of(db, ada) == counts[401]


async def test_known_device_gets_in_while_strangers_guess(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    device_token = await device_token_of(ada)
    await guess_until_refused(ada.http, ada.email, db)

    response = await login_from_device(ada, device_token)

    assert response.status_code == 200
    assert await failures_of(db, ada) == 0
    assert code_of(await guess(ada.http, ada.email), 429) == "rate_limited"


async def test_known_device_is_held_up_for_its_own_failures(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    device_token = await device_token_of(ada)
    await fail_until_the_next_waits(lambda: login_from_device(ada, device_token, WRONG), db, "device")

    refusal = await login_from_device(ada, device_token)

    assert code_of(refusal, 429) == "rate_limited"
    assert refusal.headers["RateLimit-Policy"] == '"device";q=5'
    assert (await login(ada.http, ada.email, ada.password)).status_code == 200


async def test_device_tokens_count_for_nothing_once_the_password_was_changed(
    register: Register, db: asyncpg.Connection
) -> None:
    """Whoever knew the old password may have made any number of them."""
    ada = await register()
    before = await device_token_of(ada)
    change = {"current_password": ada.password, "new_password": "nine red foxes under a bridge"}
    assert (await ada.post("/api/v1/users/me/password", change)).status_code == 204
    ada.password = change["new_password"]
    after = await device_token_of(ada)
    await guess_until_refused(ada.http, ada.email, db)

    assert code_of(await login_from_device(ada, before), 429) == "rate_limited"
    assert (await login_from_device(ada, after)).status_code == 200


@pytest.mark.timing
async def test_logins_with_one_device_token_at_once_do_not_block_each_other(
    register: Register, hashing: httpx.AsyncClient
) -> None:
    ada = await with_standard_hash(await register(), hashing)
    device_token = await device_token_of(ada)
    await guess(ada.http, ada.email)

    responses = await asyncio.gather(*(login_from_device(ada, device_token) for _ in range(30)))

    assert Counter(response.status_code for response in responses) == {200: 30}


async def test_device_token_of_anybody_else_makes_nobody_known(register: Register, db: asyncpg.Connection) -> None:
    ada, grace = await register(), await register()
    codec = DeviceTokenCodec(derive_key(bytes.fromhex(SECRET_KEY), "device-tokens"))
    stranger = DeviceTokenCodec(b"k" * 32)
    device = Device(uuid4(), UUID(ada.id), datetime.now(UTC))
    old = msgspec.structs.replace(device, signed_in_at=device.signed_in_at - timedelta(days=366))
    good = codec.encode(device)
    await guess_until_refused(ada.http, ada.email, db)

    for token in (
        await device_token_of(grace),
        stranger.encode(device),
        codec.encode(old),
        good[:-1],
        good + "0",
        ada.refresh_token,
        ada.access_token,
    ):
        assert code_of(await login_from_device(ada, token), 429) == "rate_limited"
    assert (await login_from_device(ada, good)).status_code == 200


@pytest.mark.slow
async def test_no_more_than_a_hundred_guesses_in_a_row_reach_the_password(
    admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    device_token = await device_token_of(ada)
    for _ in range(MOST_GUESSES_OF_STRANGERS):
        assert code_of(await guess(ada.http, ada.email), 401) == "invalid_credentials"
        await sit_out_the_delay(db)

    # A stranger's right password looks like a wrong one from here on.
    refusal = await guess(ada.http, ada.email, ada.password, headers=SAME_ID)
    await sit_out_the_delay(db)
    unknown = await guess(ada.http, f"{unique('nobody')}@example.org", headers=SAME_ID)
    assert code_of(refusal, 401) == "invalid_credentials"
    assert refusal.content == unknown.content
    for _ in range(MOST_GUESSES - MOST_GUESSES_OF_STRANGERS + 1):
        await guess(ada.http, ada.email)
        await sit_out_the_delay(db)
    throttle = (await admin.get(f"/api/v1/users/{ada.id}/throttle")).json()
    assert throttle["is_closed_to_strangers"]
    assert throttle["failures"] == MOST_GUESSES_OF_STRANGERS + 1

    # Whoever is known still gets in, and opens the account to all.
    assert (await login_from_device(ada, device_token)).status_code == 200
    assert (await login(ada.http, ada.email, ada.password)).status_code == 200


async def test_those_who_are_known_share_the_last_guesses(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    device_token = await device_token_of(ada)
    await db.execute(
        "INSERT INTO throttles (purpose, subject, failures) VALUES ('account', $1, $2)",
        UUID(ada.id).bytes,
        MOST_GUESSES,
    )

    assert code_of(await login_from_device(ada, device_token), 429) == "rate_limited"
    reauthentication = await ada.post("/api/v1/auth/reauthenticate", {"password": ada.password})
    assert code_of(reauthentication, 429) == "rate_limited"


async def test_administrator_lifts_the_throttle(admin: Caller, register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    await guess_until_refused(ada.http, ada.email, db)
    before = (await admin.get(f"/api/v1/users/{ada.id}/throttle")).json()
    assert before["failures"] == BEFORE_A_REFUSAL
    assert datetime.fromisoformat(before["blocked_until"]) > datetime.now(UTC) - timedelta(seconds=5)
    assert not before["is_closed_to_strangers"]

    assert (await admin.delete(f"/api/v1/users/{ada.id}/throttle")).status_code == 204

    assert (await login(ada.http, ada.email, ada.password)).status_code == 200
    after = (await admin.get(f"/api/v1/users/{ada.id}/throttle")).json()
    assert after == {"failures": 0, "blocked_until": None, "is_closed_to_strangers": False}
    events = await db.fetch("SELECT action FROM audit_events WHERE actor_id = $1 AND target_id = $2", admin.id, ada.id)
    assert "user.throttle_lifted" in [event["action"] for event in events]
    assert code_of(await admin.get(f"/api/v1/users/{uuid4()}/throttle"), 404) == "not_found"
    assert code_of(await admin.delete(f"/api/v1/users/{uuid4()}/throttle"), 404) == "not_found"


@pytest.mark.parametrize("way", ["reauthenticate", "password"])
async def test_session_is_held_up_for_its_own_failures_only(
    register: Register, db: asyncpg.Connection, way: str
) -> None:
    ada = await register()

    async def attempt() -> httpx.Response:
        if way == "reauthenticate":
            return await ada.post("/api/v1/auth/reauthenticate", {"password": WRONG})
        change = {"current_password": WRONG, "new_password": "nine red foxes under a bridge"}
        return await ada.post("/api/v1/users/me/password", change)

    await fail_until_the_next_waits(attempt, db, "session")
    refusal = await attempt()

    assert code_of(refusal, 429) == "rate_limited"
    assert refusal.headers["RateLimit-Policy"] == '"session";q=5'
    assert (await login(ada.http, ada.email, ada.password)).status_code == 200


@pytest.fixture(scope="module")
async def behind_proxy(
    database: Database, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Clients of a service that trusts a proxy, and lets networks fail three times. Each test has its own network."""
    overrides = {"public_url": service.url, "trusted_proxies": "127.0.0.1", "throttle_network_failures": "3"}
    environ = service_environ(database, **overrides)
    async with running_service(environ, tmp_path_factory.mktemp("behind-proxy")) as running, running.client() as http:
        yield http


def somewhere() -> str:
    """An address of a network that nobody has used before."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::"


async def fail_from(http: httpx.AsyncClient, ip: str) -> None:
    for _ in range(3):
        response = await guess(http, f"{unique('nobody')}@example.org", headers={"X-Forwarded-For": ip})
        assert code_of(response, 401) == "invalid_credentials"


async def test_network_waits_whichever_accounts_it_tries(
    behind_proxy: httpx.AsyncClient, register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    network = somewhere()
    await fail_from(behind_proxy, f"{network}1")
    await change_delay(db, LONG_DELAY, "network")

    for ip in (f"{network}1", f"{network}ffff", f"198.51.100.7, {network}2"):
        refusal = await guess(behind_proxy, ada.email, ada.password, headers={"X-Forwarded-For": ip})
        assert code_of(refusal, 429) == "rate_limited"
        assert refusal.headers["RateLimit-Policy"] == '"network";q=3'
        assert refusal.headers["RateLimit"] == f'"network";r=0;t={refusal.headers["Retry-After"]}'
    elsewhere = {"X-Forwarded-For": f"{network}1, {somewhere()}1"}
    assert (await guess(behind_proxy, ada.email, ada.password, headers=elsewhere)).status_code == 200


async def test_burst_from_a_network_counts_in_full(behind_proxy: httpx.AsyncClient, db: asyncpg.Connection) -> None:
    headers = {"X-Forwarded-For": f"{somewhere()}1"}
    before = await db.fetch("SELECT subject FROM throttles WHERE purpose = 'network'")

    guesses = (guess(behind_proxy, f"{unique('nobody')}@example.org", headers=headers) for _ in range(20))
    failures = sum([response.status_code == 401 for response in await asyncio.gather(*guesses)])

    assert failures >= 3
    streak = "SELECT streak FROM throttles WHERE purpose = 'network' AND subject <> ALL($1)"
    assert [row["streak"] for row in await db.fetch(streak, [row["subject"] for row in before])] == [failures]


async def test_ipv4_networks_are_single_addresses(behind_proxy: httpx.AsyncClient, db: asyncpg.Connection) -> None:
    await fail_from(behind_proxy, "203.0.113.7")
    await change_delay(db, LONG_DELAY, "network")

    assert code_of(await guess(behind_proxy, "x@example.org", headers={"X-Forwarded-For": "203.0.113.7"}), 429)
    assert code_of(await guess(behind_proxy, "x@example.org", headers={"X-Forwarded-For": "::ffff:203.0.113.7"}), 429)
    assert code_of(await guess(behind_proxy, "x@example.org", headers={"X-Forwarded-For": "203.0.113.8"}), 401)


async def test_known_device_gets_in_from_a_network_that_waits(
    behind_proxy: httpx.AsyncClient, register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    device_token = await device_token_of(ada)
    headers = {"X-Forwarded-For": f"{somewhere()}1"}
    await fail_from(behind_proxy, headers["X-Forwarded-For"])
    await change_delay(db, LONG_DELAY, "network")

    body = {"email": ada.email, "password": ada.password, "device_token": device_token}
    assert (await behind_proxy.post("/api/v1/auth/login", json=body, headers=headers)).status_code == 200


async def test_network_that_has_failed_often_is_let_through_one_at_a_time(
    behind_proxy: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    headers = {"X-Forwarded-For": f"{somewhere()}1"}
    await fail_from(behind_proxy, headers["X-Forwarded-For"])
    # The delay after the next failure is then a minute: nobody can wait for its end.
    await db.execute(
        "UPDATE throttles SET streak = 20, blocked_until = now() WHERE purpose = 'network'"
        " AND last_failed_at = (SELECT max(last_failed_at) FROM throttles WHERE purpose = 'network')"
    )

    guesses = (guess(behind_proxy, f"{unique('nobody')}@example.org", headers=headers) for _ in range(20))
    counts = Counter([response.status_code for response in await asyncio.gather(*guesses)])

    assert counts == {401: 1, 429: 19}


async def test_people_in_a_network_that_has_failed_often_get_in(
    behind_proxy: httpx.AsyncClient, register: Register, db: asyncpg.Connection
) -> None:
    users = [await register() for _ in range(4)]
    headers = {"X-Forwarded-For": f"{somewhere()}1"}
    await fail_from(behind_proxy, headers["X-Forwarded-For"])
    await sit_out_the_delay(db)

    for user in users:
        assert (await guess(behind_proxy, user.email, user.password, headers=headers)).status_code == 200


async def test_looking_for_taken_addresses_makes_a_network_wait(
    behind_proxy: httpx.AsyncClient, register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    headers = {"X-Forwarded-For": f"{somewhere()}1"}
    body = {"email": ada.email, "password": ada.password, "display_name": "Ada"}
    for _ in range(3):
        response = await behind_proxy.post("/api/v1/auth/register", json=body, headers=headers)
        assert code_of(response, 409) == "email_taken"
    await change_delay(db, LONG_DELAY, "network")

    grace = await sign_in(behind_proxy, (member := await register()).email, member.password)
    taken = await grace.patch("/api/v1/users/me", {"email": ada.email}, if_match="*", headers=headers)
    assert code_of(taken, 429) == "rate_limited"
    for email in (ada.email, f"{unique('new')}@example.org"):
        response = await behind_proxy.post("/api/v1/auth/register", json=body | {"email": email}, headers=headers)
        assert code_of(response, 429) == "rate_limited"


async def test_attempt_that_a_full_queue_refused_does_not_count(
    register: Register, database: Database, db: asyncpg.Connection, service_factory: ServiceFactory
) -> None:
    users, closed = [await register() for _ in range(12)], await register()
    many = "INSERT INTO throttles (purpose, subject, failures) VALUES ('account', $1, $2)"
    await db.execute(many, UUID(closed.id).bytes, MOST_GUESSES - 1)
    busy = await service_factory(database, hash_concurrency="1", hash_queue_size="1", password_hashing="standard")
    async with busy.client() as http:
        futile = [guess(http, closed.email) for _ in range(4)]
        responses = await asyncio.gather(*(guess(http, user.email) for user in users for _ in range(3)), *futile)
        responses = responses[: -len(futile)]

    counts = Counter(response.status_code for response in responses)
    assert counts[401] + counts[503] == len(responses)
    assert counts[503] > 0
    assert sum([await failures_of(db, user) or 0 for user in users]) == counts[401]
    # What would have been futile was never counted, so it is not taken back either.
    assert await failures_of(db, closed) == MOST_GUESSES - 1
