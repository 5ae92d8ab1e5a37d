import asyncpg
import httpx
import pytest

from tests.api.credentials import actions_on, is_accepted, refresh, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Register, sign_in

LOGOUT = "/api/v1/auth/logout"


@pytest.fixture
async def ada(register: Register) -> Caller:
    return await register()


async def log_out(http: httpx.AsyncClient, refresh_token: str, **headers: str) -> httpx.Response:
    return await http.post(LOGOUT, json={"refresh_token": refresh_token}, headers=headers)


async def is_over(caller: Caller) -> bool:
    is_refused = code_of(await refresh(caller.http, caller.refresh_token), 401) == "refresh_token_invalid"
    return is_refused and not await is_accepted(caller.http, caller.access_token)


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}])
async def test_session_of_the_access_token_ends_when_no_refresh_token_is_sent(
    ada: Caller, db: asyncpg.Connection, body: dict[str, None] | None
) -> None:
    other = await sign_in(ada.http, ada.email, ada.password)

    response = await ada.post(LOGOUT, json=body)

    assert (response.status_code, response.content) == (204, b"")
    assert await is_over(ada)
    assert await is_accepted(ada.http, other.access_token)
    assert await actions_on(db, session_id_of(ada.access_token)) == ["session.opened", "session.ended"]


async def test_session_of_the_refresh_token_ends_when_nothing_else_is_sent(ada: Caller, db: asyncpg.Connection) -> None:
    assert (await log_out(ada.http, ada.refresh_token)).status_code == 204

    assert await is_over(ada)
    session_id = session_id_of(ada.access_token)
    event = await db.fetchrow(
        "SELECT * FROM audit_events WHERE target_id = $1 AND action = 'session.ended'", session_id
    )
    assert event is not None
    assert str(event["actor_id"]) == ada.id


@pytest.mark.parametrize("authorization", ["Bearer a.b.c", "Bearer", "Basic YTpi"])
async def test_refresh_token_is_enough_when_the_access_token_is_no_good(ada: Caller, authorization: str) -> None:
    assert (await log_out(ada.http, ada.refresh_token, Authorization=authorization)).status_code == 204

    assert await is_over(ada)


async def test_refresh_token_decides_when_both_tokens_are_sent(ada: Caller) -> None:
    other = await sign_in(ada.http, ada.email, ada.password)

    assert (await ada.post(LOGOUT, {"refresh_token": other.refresh_token})).status_code == 204

    assert await is_over(other)
    assert await is_accepted(ada.http, ada.access_token)


async def test_session_ends_when_its_spent_token_is_sent(ada: Caller) -> None:
    live = (await refresh(ada.http, ada.refresh_token)).json()["refresh_token"]

    assert (await log_out(ada.http, ada.refresh_token)).status_code == 204

    assert code_of(await refresh(ada.http, live), 401) == "refresh_token_invalid"


async def test_nothing_more_happens_when_logging_out_again(ada: Caller, db: asyncpg.Connection) -> None:
    for _ in range(2):
        assert (await log_out(ada.http, ada.refresh_token)).status_code == 204

    assert await actions_on(db, session_id_of(ada.access_token)) == ["session.opened", "session.ended"]
    assert code_of(await ada.post(LOGOUT), 401) == "authentication_required"


async def test_nobody_is_logged_out_when_there_is_no_credential(client: httpx.AsyncClient) -> None:
    assert code_of(await client.post(LOGOUT), 401) == "authentication_required"
    assert code_of(await client.post(LOGOUT, json={}), 401) == "authentication_required"
    assert code_of(await log_out(client, "cms_r_x"), 401) == "refresh_token_invalid"
