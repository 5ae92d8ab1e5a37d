"""Every kind of token at every place that takes one: no other than its own place accepts it."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.api.credentials import is_accepted, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Register

PATH = "/api/v1/users/me"


@pytest.fixture(scope="module")
async def ada(register: Register) -> Caller:
    return await register()


@pytest.fixture(scope="module")
async def tokens(admin: Caller, ada: Caller) -> dict[str, str]:
    return {
        "access token": ada.access_token,
        "access token without its signature": f"{ada.access_token.rpartition('.')[0]}.",
        "refresh token": ada.refresh_token,
        "cursor": (await admin.get("/api/v1/users?limit=1")).json()["next_cursor"],
        "password": ada.password,
        "id of the user": ada.id,
        "id of the session": session_id_of(ada.access_token),
    }


async def as_bearer(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": f"Bearer {token}"})


async def to_refresh(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def to_log_out(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/logout", json={"refresh_token": token})


async def to_log_out_as_bearer(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"})


async def as_basic(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": f"Basic {token}"})


async def without_scheme(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Authorization": token})


async def as_bearer_twice(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers=[("Authorization", f"Bearer {token}")] * 2)


async def as_cookie(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"Cookie": f"access_token={token}; session={token}"})


async def in_other_headers(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get(PATH, headers={"X-API-Key": token, "Proxy-Authorization": f"Bearer {token}"})


OWN_PLACES = {"access token": {as_bearer, to_log_out_as_bearer}, "refresh token": {to_refresh, to_log_out}}


@pytest.mark.parametrize(
    "place",
    [
        as_bearer,
        to_refresh,
        to_log_out,
        to_log_out_as_bearer,
        as_basic,
        without_scheme,
        as_bearer_twice,
        as_cookie,
        in_other_headers,
    ],
)
async def test_token_is_refused_when_it_is_not_in_its_own_place(
    ada: Caller, tokens: dict[str, str], place: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]
) -> None:
    for kind, token in tokens.items():
        if place not in OWN_PLACES.get(kind, ()):
            assert code_of(await place(ada.http, token), 401), kind

    assert await is_accepted(ada.http, ada.access_token)
