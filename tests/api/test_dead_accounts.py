"""What no longer counts is refused on the very next request, whichever process answers it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from tests.api import given
from tests.api.credentials import is_accepted, login, refresh, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Database, Register, Service, running_service, service_environ, sign_in

CONNECTIONS = 8
"""A new connection goes to either worker by chance: that all go to one happens once in 128 times."""


@pytest.fixture(scope="module")
async def replica(
    database: Database, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Two more processes beside `service`, on the same database."""
    environ = service_environ(database, public_url=service.url, workers="2")
    async with running_service(environ, tmp_path_factory.mktemp("replica")) as running:
        yield running


@pytest.fixture
async def connections(replica: Service) -> AsyncIterator[list[httpx.AsyncClient]]:
    clients = [replica.client() for _ in range(CONNECTIONS)]
    yield clients
    await asyncio.gather(*(client.aclose() for client in clients))


async def deactivate(ada: Caller, admin: Caller) -> httpx.Response:
    return await admin.post(f"/api/v1/users/{ada.id}/deactivate")


async def deactivate_by_editing(ada: Caller, admin: Caller) -> httpx.Response:
    return await admin.patch(f"/api/v1/users/{ada.id}", {"is_active": False}, if_match="*")


async def delete(ada: Caller, admin: Caller) -> httpx.Response:
    return await admin.delete(f"/api/v1/users/{ada.id}", if_match="*")


async def end_session(ada: Caller, admin: Caller) -> httpx.Response:
    return await admin.delete(f"/api/v1/users/{ada.id}/sessions/{session_id_of(ada.access_token)}")


async def end_all_sessions(ada: Caller, admin: Caller) -> httpx.Response:
    return await admin.delete(f"/api/v1/users/{ada.id}/sessions")


async def log_out(ada: Caller, admin: Caller) -> httpx.Response:
    return await ada.post("/api/v1/auth/logout")


async def change_password_elsewhere(ada: Caller, admin: Caller) -> httpx.Response:
    elsewhere = await sign_in(ada.http, ada.email, ada.password)
    body = {"current_password": ada.password, "new_password": f"{ada.password} too"}
    return await elsewhere.post("/api/v1/users/me/password", body)


@pytest.mark.parametrize(
    ("kill", "may_log_in"),
    [
        (deactivate, False),
        (deactivate_by_editing, False),
        (delete, False),
        (change_password_elsewhere, False),
        (end_session, True),
        (end_all_sessions, True),
        (log_out, True),
    ],
)
async def test_every_credential_is_dead_on_the_next_request(
    admin: Caller,
    register: Register,
    connections: list[httpx.AsyncClient],
    kill: Callable[[Caller, Caller], Awaitable[httpx.Response]],
    may_log_in: bool,
) -> None:
    ada = await register()
    assert all(await asyncio.gather(*(is_accepted(http, ada.access_token) for http in connections)))

    assert (await kill(ada, admin)).is_success

    assert not any(await asyncio.gather(*(is_accepted(http, ada.access_token) for http in connections)))
    refreshed = await asyncio.gather(*(refresh(http, ada.refresh_token) for http in connections))
    assert {code_of(response, 401) for response in refreshed} == {"refresh_token_invalid"}
    logins = await asyncio.gather(*(login(http, ada.email, ada.password) for http in connections[:4]))
    assert [response.is_success for response in logins] == [may_log_in] * 4


@pytest.mark.parametrize(
    ("kill", "revive"), [(deactivate, "activate"), (delete, "restore")], ids=["activated", "restored"]
)
async def test_old_credentials_stay_dead_when_the_account_is_back(
    admin: Caller,
    register: Register,
    kill: Callable[[Caller, Caller], Awaitable[httpx.Response]],
    revive: str,
) -> None:
    ada = await register()
    await kill(ada, admin)

    assert (await admin.post(f"/api/v1/users/{ada.id}/{revive}")).status_code == 200

    assert not await is_accepted(ada.http, ada.access_token)
    assert code_of(await refresh(ada.http, ada.refresh_token), 401) == "refresh_token_invalid"
    assert (await login(ada.http, ada.email, ada.password)).json()["user"]["id"] == ada.id


async def test_address_that_was_freed_begins_anew_when_somebody_takes_it(admin: Caller, register: Register) -> None:
    ada = await given.caller(admin, register, "users:read")
    await delete(ada, admin)

    heir = await register(email=ada.email, password="ten red owls on a wire")

    assert heir.id != ada.id
    assert [role["name"] for role in heir.user["roles"]] == ["member"]
    assert code_of(await heir.get("/api/v1/users"), 403) == "permission_denied"
    assert not await is_accepted(ada.http, ada.access_token)
    assert code_of(await login(ada.http, ada.email, ada.password), 401) == "invalid_credentials"
