"""The services of the guide let in whom the real service lets them let in."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.api import given
from tests.api.credentials import let_time_pass
from tests.api.machines import machine
from tests.api.problems import code_of
from tests.fixtures import Caller, Register, Service

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
ARTICLE = "/articles/launch-day"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Imports an example the way its readers run it."""

    def load(name: str, url: str, api_key: str) -> Any:
        monkeypatch.setenv("ACCOUNTS_URL", url)
        monkeypatch.setenv("ACCOUNTS_API_KEY", api_key)
        monkeypatch.syspath_prepend(str(EXAMPLES))
        for module in ("access", "step_up", name):
            sys.modules.pop(module, None)
        return importlib.import_module(name)

    return load


EXAMPLE = pytest.mark.parametrize("name", ["protect_litestar", "protect_fastapi"])


@EXAMPLE
async def test_route_is_open_to_who_may_and_to_nobody_else(
    service: Service, admin: Caller, register: Register, load: Callable[..., Any], name: str
) -> None:
    checker = await machine(admin, "access:check")
    reading = await given.role(admin, "articles:read")
    user, other = await register(), await register()
    robot = await machine(admin)

    async def statuses(example: Any, path: str, *tokens: str | None) -> list[int]:
        transport = httpx.ASGITransport(example.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://articles.example.org") as client:
            headers = [{} if token is None else {"Authorization": f"Bearer {token}"} for token in tokens]
            return [(await client.get(path, headers=each)).status_code for each in headers]

    example = load(name, service.url, checker.key)
    assert await statuses(example, ARTICLE, user.access_token) == [403]
    await given.assignment(admin, user.id, reading["id"], scope="articles:launch-day")
    path = f"/api/v1/service-accounts/{robot.id}/roles/{reading['id']}"
    assert (await admin.put(path, {"scope": "site:blog"})).is_success
    tokens = (user.access_token, other.access_token, await robot.exchange(), user.refresh_token, "a.b.c", None)
    assert await statuses(example, ARTICLE, *tokens) == [200, 403, 200, 401, 401, 401]
    assert await statuses(example, f"/articles/{uuid4()}", *tokens[:3]) == [403, 403, 200]
    await example.access.aclose()

    # Who may not ask is not answered, and nobody gets in while the service is away.
    powerless = load(name, service.url, robot.key)
    assert await statuses(powerless, ARTICLE, user.access_token) == [403]
    powerless.access._url = "http://127.0.0.1:9"
    caller = sys.modules["access"].Caller({"type": "user", "id": user.id}, auth_time=None)
    assert await powerless.access.may(caller, "read", {"type": "articles", "id": "x"}) is False
    await powerless.access.aclose()
    away = load(name, "http://127.0.0.1:9", checker.key)
    assert await statuses(away, ARTICLE, user.access_token) == [401]
    await away.access.aclose()


@EXAMPLE
async def test_route_asks_for_a_recent_sign_in_when_the_last_one_is_long_ago(
    service: Service, admin: Caller, register: Register, load: Callable[..., Any], db: asyncpg.Connection, name: str
) -> None:
    checker = await machine(admin, "access:check")
    deleting = await given.role(admin, "articles:delete")
    user, other, robot = await register(), await register(), await machine(admin)
    await given.assignment(admin, user.id, deleting["id"], scope="site:blog")
    assert (await admin.put(f"/api/v1/service-accounts/{robot.id}/roles/{deleting['id']}", {})).is_success
    example = load(name, service.url, checker.key)
    articles = httpx.ASGITransport(example.app)

    async def delete(access_token: str, password: str) -> httpx.Response:
        auth = importlib.import_module("step_up").StepUp(service.url, access_token, lambda: password)
        async with httpx.AsyncClient(auth=auth, mounts={"http://articles.example.org": articles}) as client:
            return await client.delete(f"http://articles.example.org{ARTICLE}")

    async def refusal(access_token: str) -> tuple[int, str | None]:
        async with httpx.AsyncClient(transport=articles, base_url="http://articles.example.org") as client:
            response = await client.delete(ARTICLE, headers={"Authorization": f"Bearer {access_token}"})
            return response.status_code, response.headers.get("WWW-Authenticate")

    assert await refusal(user.access_token) == (204, None)
    for each in (user, other):
        await let_time_pass(each, db, "6 minutes")
    stale = 401, 'Bearer error="insufficient_user_authentication", max_age="300"'
    assert await refusal(user.access_token) == stale
    assert await refusal(await robot.exchange()) == stale
    # The password is not asked for in vain.
    assert await refusal(other.access_token) == (403, None)

    assert code_of(await delete(user.access_token, "wrong"), 401) == "invalid_credentials"
    assert (await delete(user.access_token, user.password)).status_code == 204
    # The challenge is the one of the service itself, so that a client meets both in the same way.
    await let_time_pass(user, db)
    email = f"{uuid4()}@example.org"
    auth = importlib.import_module("step_up").StepUp(service.url, user.access_token, lambda: user.password)
    async with httpx.AsyncClient(auth=auth, base_url=service.url) as client:
        changed = await client.patch("/api/v1/users/me", json={"email": email}, headers={"If-Match": "*"})
    assert changed.json()["email"] == email
    await example.access.aclose()
