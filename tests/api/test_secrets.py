"""Recognisable secrets go through the whole life of an account, and are then looked for wherever they must not be."""

import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from tests.fixtures import Caller, Cluster, Service, service_environ, sign_in

SECRET_KEY = secrets.token_hex(32)
ADMIN_PASSWORD = "canary0 of the first account"
PASSWORD = "canary1 at the registration"
WRONG_PASSWORD = "canary2 at a refused login"
NEW_PASSWORD = "canary3 at the change"
MADE_PASSWORD = "canary4 set by an administrator"
WEAK_PASSWORD = "canary5"
MISPLACED = "canary6-where-it-does-not-belong"
IN_THE_PATH = "canary7-in-the-path"
TYPED = [ADMIN_PASSWORD, PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, MADE_PASSWORD, WEAK_PASSWORD]


class Life(msgspec.Struct):
    """What was said and written down while it lasted."""

    tokens: list[str]
    answers: str
    """Without the tokens where tokens are asked for."""
    log: str
    rows: dict[str, str]
    """The content of each table, as text."""
    row_secrets: list[bytes]
    """What the tokens of the sessions are derived from."""


async def live(http: httpx.AsyncClient) -> list[str]:
    """Do everything with secrets that one can do; return the tokens that were given out."""
    admin = await sign_in(http, "admin@example.org", ADMIN_PASSWORD)
    email = f"ada-{uuid4().hex}@example.org"
    body = {"email": email, "password": PASSWORD, "display_name": "Ada"}
    auth = "/api/v1/auth"

    await http.post(f"{auth}/register", json=body | {"password": WEAK_PASSWORD})
    await http.post(f"{auth}/register", json=body | {"password": PASSWORD, "passwrod": MISPLACED})
    await http.post(f"{auth}/register", json=body)
    await http.post(f"{auth}/register", json=body)
    await http.post(f"{auth}/login", json={"email": email, "password": WRONG_PASSWORD})
    await http.post(f"{auth}/login", json={"email": email, "password": [MISPLACED]})
    await http.post(f"{auth}/login", json={"email": MISPLACED, "password": PASSWORD})
    await http.post(f"{auth}/login", content=f'{{"password": "{MISPLACED}"')
    await http.post(f"{auth}/login", content=f"password={MISPLACED}")
    await http.post(f"{auth}/login?password={MISPLACED}", json={"email": email, "password": PASSWORD})
    ada = await sign_in(http, email, PASSWORD)

    pair = (await http.post(f"{auth}/refresh", json={"refresh_token": ada.refresh_token})).json()
    tokens = [admin.access_token, admin.refresh_token, ada.access_token, ada.refresh_token]
    tokens += [pair["access_token"], pair["refresh_token"]]
    await http.post(f"{auth}/refresh", json={"refresh_token": MISPLACED})
    await http.get("/api/v1/users/me", headers={"Authorization": f"Bearer {MISPLACED}", "Cookie": MISPLACED})
    await http.get(f"/api/v1/users/{IN_THE_PATH}?access_token={MISPLACED}")

    passwords = {"current_password": WRONG_PASSWORD, "new_password": NEW_PASSWORD}
    await ada.post("/api/v1/users/me/password", passwords)
    await ada.post("/api/v1/users/me/password", passwords | {"current_password": PASSWORD, "new_password": "canary5"})
    await ada.post("/api/v1/users/me/password", passwords | {"current_password": PASSWORD})
    await ada.patch("/api/v1/users/me", {"display_name": "Ada L.", "password": NEW_PASSWORD}, if_match="*")
    await _look_around(ada, "/api/v1/users/me", "/api/v1/users/me/sessions", "/api/v1/users/me/permissions")

    made = {"email": f"eve-{uuid4().hex}@example.org", "display_name": "Eve", "password": MADE_PASSWORD}
    await admin.post("/api/v1/users", made)
    user = f"/api/v1/users/{ada.id}"
    await admin.post(f"{user}/deactivate")
    await admin.post(f"{user}/activate")
    await admin.delete(user, if_match="*")
    await admin.post(f"{user}/restore")
    await _look_around(
        admin,
        user,
        f"{user}/sessions",
        "/api/v1/users?limit=100&q=canary",
        "/api/v1/users?limit=100",
        "/api/v1/audit-events?limit=100",
        "/.well-known/jwks.json",
    )
    await _reuse(http, ada)
    return tokens + await _use_a_machine(http, admin)


async def _use_a_machine(http: httpx.AsyncClient, admin: Caller) -> list[str]:
    account = (await admin.post("/api/v1/service-accounts", {"name": "robot"})).json()
    path = f"/api/v1/service-accounts/{account['id']}"
    made = (await admin.post(f"{path}/keys", {"name": "first"})).json()
    key, grant, auth = made["key"], {"grant_type": "client_credentials"}, "/api/v1/auth"
    token = (await http.post(f"{auth}/token", data=grant, auth=(account["id"], key))).json()["access_token"]
    for credential in (key, token):
        headers = {"Authorization": f"Bearer {credential}"}
        await http.get("/api/v1/users/me", headers=headers)
        await http.get("/api/v1/users/me", headers=headers | {"X-On-Behalf-Of": MISPLACED})
        await admin.post(f"{auth}/introspect", data={"token": credential})
        await http.post(f"{auth}/token?client_secret={credential}", data=grant)
        await http.post(f"{auth}/token", data={"client_id": credential, "client_secret": credential})
        await http.post(f"{auth}/token", data=grant | {"scope": credential}, auth=(account["id"], key))
        await http.post(f"{auth}/token", json={"client_secret": credential})
        await admin.patch(path, {"description": credential, "is_active": credential}, if_match="*")
    await http.post(f"{auth}/token", data=grant, auth=(MISPLACED, MISPLACED))
    await http.post(f"{auth}/introspect", data={"token": MISPLACED}, auth=(MISPLACED, MISPLACED))
    await _look_around(admin, path, f"{path}/keys", f"{path}/keys/{made['id']}", "/api/v1/audit-events?limit=100")
    for ended in (token, key, MISPLACED):
        await http.post(f"{auth}/revoke", data={"token": ended})
    await _look_around(admin, f"{path}/keys", "/api/v1/audit-events?limit=100")
    return [key, token]


async def _reuse(http: httpx.AsyncClient, ada: Caller) -> None:
    fresh = await sign_in(http, ada.email, NEW_PASSWORD)
    for _ in range(2):
        pair = (await http.post("/api/v1/auth/refresh", json={"refresh_token": fresh.refresh_token})).json()
        await http.post("/api/v1/auth/refresh", json={"refresh_token": pair.get("refresh_token", MISPLACED)})
    await http.post("/api/v1/auth/logout", json={"refresh_token": fresh.refresh_token})


async def _look_around(caller: Caller, *paths: str) -> None:
    for path in paths:
        assert (await caller.get(path)).is_success, path


@pytest.fixture(scope="module")
async def life(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Life]:
    database = await cluster.create(template=template)
    environ = service_environ(database, secret_key=SECRET_KEY, admin_password=ADMIN_PASSWORD, log_level="debug")
    service = Service(environ, tmp_path_factory.mktemp("secrets"))
    responses: list[httpx.Response] = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        responses.append(response)

    try:
        await service.wait_until_ready()
        async with httpx.AsyncClient(base_url=service.url, event_hooks={"response": [keep]}) as http:
            tokens = await live(http)
    finally:
        await service.stop()
    connection = await database.connect()
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    yield Life(
        tokens=tokens,
        answers="\n".join(f"{response.headers}\n{_without_tokens(response)}" for response in responses),
        log=service.log.read_text(),
        rows={table: await _text_of(connection, table) for (table,) in tables},
        row_secrets=[secret for (secret,) in await connection.fetch("SELECT secret FROM refresh_tokens")],
    )
    await connection.close()
    await cluster.drop(database)


def _without_tokens(response: httpx.Response) -> str:
    request = response.request
    gives_key = request.method == "POST" and request.url.path.endswith("/keys")
    if not gives_key and request.url.path not in {f"/api/v1/auth/{name}" for name in ("login", "refresh", "token")}:
        return response.text
    return json.dumps(response.json() | {"access_token": "", "refresh_token": "", "key": ""})


async def _text_of(connection: asyncpg.Connection, table: str) -> str:
    return "\n".join(row for (row,) in await connection.fetch(f"SELECT t::text FROM {table} t"))  # noqa: S608 - ours


def test_life_left_its_marks(life: Life) -> None:
    """Else there would be nothing to look through."""
    for action in (
        "user.registered",
        "session.login_failed",
        "user.password_changed",
        "session.reuse_detected",
        "api_key.revoked",
    ):
        assert action in life.rows["audit_events"]
    assert life.log.count("/api/v1/auth/login") > 5
    assert "invalid_credentials" in life.answers
    assert len(life.row_secrets) > 2


@pytest.mark.parametrize("password", TYPED)
def test_password_is_nowhere_when_it_was_typed(life: Life, password: str) -> None:
    for place, content in {"answers": life.answers, "log": life.log, **life.rows}.items():
        assert password not in content, place
        assert password.encode().hex() not in content, place


def test_what_is_misplaced_is_not_repeated(life: Life) -> None:
    assert MISPLACED not in life.answers
    for place, content in {"log": life.log, **life.rows}.items():
        assert MISPLACED not in content, place
        assert IN_THE_PATH not in content, place


def test_token_is_nowhere_but_in_the_answer_that_gives_it(life: Life) -> None:
    for token in life.tokens:
        for place, content in {"answers": life.answers, "log": life.log, **life.rows}.items():
            assert token not in content, place
            assert token[-24:] not in content, place


def test_what_secrets_are_made_of_is_neither_shown_nor_logged(life: Life) -> None:
    made_of = ["$argon2", SECRET_KEY, b64encode(bytes.fromhex(SECRET_KEY)).decode()]
    made_of += [form for secret in life.row_secrets for form in (secret.hex(), b64encode(secret).decode())]
    for text in made_of:
        assert text not in life.answers
        assert text not in life.log
        assert text not in life.rows["audit_events"]
