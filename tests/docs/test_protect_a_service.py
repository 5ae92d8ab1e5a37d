"""The services of the guide let in whom the real service lets them let in."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api import given
from tests.api.machines import machine
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
        for module in ("access", name):
            sys.modules.pop(module, None)
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("name", ["protect_litestar", "protect_fastapi"])
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
    assert await powerless.access.may({"type": "user", "id": user.id}, "read", {"type": "articles", "id": "x"}) is False
    await powerless.access.aclose()
    away = load(name, "http://127.0.0.1:9", checker.key)
    assert await statuses(away, ARTICLE, user.access_token) == [401]
    await away.access.aclose()
