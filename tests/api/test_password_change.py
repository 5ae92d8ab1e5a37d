import asyncio

import asyncpg
import httpx
import pytest

from tests.api.credentials import actions_on, is_accepted, login, refresh
from tests.api.problems import code_of, faults_of
from tests.fixtures import Caller, Register, sign_in

NEW = "eight blue owls on a wire"


@pytest.fixture
async def ada(register: Register) -> Caller:
    return await register()


async def change(caller: Caller, current: str, new: str) -> httpx.Response:
    return await caller.post("/api/v1/users/me/password", {"current_password": current, "new_password": new})


async def test_every_other_session_ends_and_the_current_one_stays(ada: Caller, db: asyncpg.Connection) -> None:
    others = [await sign_in(ada.http, ada.email, ada.password) for _ in range(2)]

    assert (await change(ada, ada.password, NEW)).status_code == 204

    for other in others:
        assert not await is_accepted(ada.http, other.access_token)
        assert code_of(await refresh(ada.http, other.refresh_token), 401) == "refresh_token_invalid"
    assert await is_accepted(ada.http, ada.access_token)
    assert (await refresh(ada.http, ada.refresh_token)).status_code == 200
    assert await actions_on(db, ada.id) == ["user.registered", "user.password_changed"]


async def test_only_the_new_password_opens_the_account(ada: Caller) -> None:
    await change(ada, ada.password, NEW)

    assert code_of(await login(ada.http, ada.email, ada.password), 401) == "invalid_credentials"
    assert (await login(ada.http, ada.email, NEW)).status_code == 200


async def test_nothing_changes_but_the_record_when_the_current_password_is_wrong(
    ada: Caller, db: asyncpg.Connection
) -> None:
    other = await sign_in(ada.http, ada.email, ada.password)
    stored = await db.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id)

    assert code_of(await change(ada, "no password of anybody", NEW), 401) == "invalid_credentials"

    assert await db.fetchval("SELECT password_hash FROM users WHERE id = $1", ada.id) == stored
    assert await actions_on(db, ada.id) == ["user.registered", "user.password_change_failed"]
    assert await is_accepted(ada.http, ada.access_token)
    assert await is_accepted(ada.http, other.access_token)


async def test_weak_password_is_refused_before_the_current_one_is_looked_at(ada: Caller) -> None:
    response = await change(ada, "no password of anybody", "too short")

    assert code_of(response, 400) == "password_too_weak"
    assert faults_of(response) == {"/new_password": ["too_short", "common"]}


async def test_one_change_wins_when_two_devices_change_it_at_once(ada: Caller) -> None:
    other = await sign_in(ada.http, ada.email, ada.password)

    first, second = await asyncio.gather(change(ada, ada.password, NEW), change(other, ada.password, f"{NEW} too"))

    assert sorted([first.status_code, second.status_code]) == [204, 401]
    assert (await login(ada.http, ada.email, NEW)).is_success == first.is_success
    assert (await login(ada.http, ada.email, f"{NEW} too")).is_success == second.is_success
