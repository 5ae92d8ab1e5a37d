import asyncio
from collections.abc import Awaitable, Callable

import argon2
import asyncpg
import httpx
import pytest

from cms_service.core.security import ARGON2ID
from tests.api import given
from tests.api.credentials import actions_on, is_accepted, login, session_id_of
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import Caller, Database, Register, ServiceFactory

SAME_ID = {"X-Request-ID": "one-for-all"}


async def test_login_opens_a_session(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()

    response = await login(ada.http, ada.email, ada.password)

    assert response.status_code == 200
    tokens = response.json()
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 3600, 604_800)
    assert tokens["user"] == ada.user
    session_id = session_id_of(tokens["access_token"])
    assert session_id != session_id_of(ada.access_token)
    assert await actions_on(db, session_id) == ["session.opened"]
    assert await is_accepted(ada.http, tokens["access_token"])
    assert await is_accepted(ada.http, ada.access_token)


async def unknown(admin: Caller, register: Register) -> str:
    return f"{unique('nobody')}@example.org"


async def known(admin: Caller, register: Register) -> str:
    return (await register()).email


async def without_password(admin: Caller, register: Register) -> str:
    return str((await given.user(admin))["email"])


async def inactive(admin: Caller, register: Register) -> str:
    ada = await register()
    assert (await admin.post(f"/api/v1/users/{ada.id}/deactivate")).is_success
    return ada.email


async def deleted(admin: Caller, register: Register) -> str:
    ada = await register()
    assert (await admin.delete(f"/api/v1/users/{ada.id}", if_match="*")).is_success
    return ada.email


@pytest.fixture(scope="module")
async def refusal(admin: Caller, register: Register) -> httpx.Response:
    """What a stranger is told who is nobody."""
    email = await unknown(admin, register)
    body = {"email": email, "password": "no password of anybody"}
    return await admin.http.post("/api/v1/auth/login", json=body, headers=SAME_ID)


@pytest.mark.parametrize(
    ("account", "password"),
    [
        (known, "no password of anybody"),
        (known, " "),
        (known, "x" * 1024),
        (without_password, "no password of anybody"),
        (without_password, "nobody has this password"),
        (inactive, "a password of fifteen and more"),
        (inactive, "no password of anybody"),
        (deleted, "a password of fifteen and more"),
        (deleted, "no password of anybody"),
    ],
)
async def test_login_is_refused_as_if_there_were_no_such_account(
    admin: Caller,
    register: Register,
    refusal: httpx.Response,
    account: Callable[[Caller, Register], Awaitable[str]],
    password: str,
) -> None:
    email = await account(admin, register)

    response = await admin.http.post("/api/v1/auth/login", json={"email": email, "password": password}, headers=SAME_ID)

    assert code_of(response, 401) == "invalid_credentials"
    assert response.content == refusal.content
    assert [header for header in response.headers.raw if header[0] != b"date"] == [
        header for header in refusal.headers.raw if header[0] != b"date"
    ]


async def test_refused_login_is_on_record_and_opens_nothing(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    request_id = unique("request")

    headers = {"X-Request-ID": request_id}
    body = {"email": ada.email.upper(), "password": "no password of anybody"}
    await ada.http.post("/api/v1/auth/login", json=body, headers=headers)
    await ada.http.post("/api/v1/auth/login", json=body | {"email": f"{unique('nobody')}@example.org"}, headers=headers)

    rows = await db.fetch("SELECT * FROM audit_events WHERE request_id = $1 ORDER BY at", request_id)
    assert [(row["action"], row["actor_id"], row["ip"]) for row in rows] == [
        ("session.login_failed", None, "127.0.0.1"),
        ("session.login_failed", None, "127.0.0.1"),
    ]
    assert [row["target_id"] and str(row["target_id"]) for row in rows] == [ada.id, None]
    assert await db.fetchval("SELECT count(*) FROM refresh_tokens WHERE user_id = $1", ada.id) == 1


async def test_logins_at_once_all_succeed_when_each_would_renew_the_hash(
    register: Register, db: asyncpg.Connection
) -> None:
    ada = await register()
    old = argon2.PasswordHasher.from_parameters(ARGON2ID).hash(ada.password)
    await db.execute("UPDATE users SET password_hash = $2 WHERE id = $1", ada.id, old)

    logins = await asyncio.gather(*(login(ada.http, ada.email, ada.password) for _ in range(8)))

    assert [response.status_code for response in logins] == [200] * 8


async def test_hash_is_renewed_when_it_was_made_with_other_parameters(
    register: Register, database: Database, db: asyncpg.Connection, service_factory: ServiceFactory
) -> None:
    ada = await register()
    assert (await db.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id)).startswith(
        "$argon2id$v=19$m=8,"
    )
    standard = await service_factory(database, password_hashing="standard")

    async with standard.client() as http:
        assert (await login(http, ada.email, ada.password)).status_code == 200

        renewed = await db.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id)
        assert renewed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert (await login(http, ada.email, ada.password)).status_code == 200
    assert await db.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id) == renewed
