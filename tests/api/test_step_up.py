from typing import Any

import asyncpg
import httpx
import jwt
import pytest

from tests.api import given
from tests.api.credentials import actions_on, is_accepted, let_time_pass, login, refresh, session_id_of
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import Caller, Register

NEW_PASSWORD = "nine red foxes under a bridge"


async def reauthenticate(caller: Caller, password: str | None = None) -> httpx.Response:
    return await caller.post("/api/v1/auth/reauthenticate", {"password": password or caller.password})


async def change_own_email(caller: Caller) -> httpx.Response:
    return await caller.patch("/api/v1/users/me", {"email": f"{unique('new')}@example.org"}, if_match="*")


async def change_password(caller: Caller) -> httpx.Response:
    body = {"current_password": caller.password, "new_password": NEW_PASSWORD}
    return await caller.post("/api/v1/users/me/password", body)


def auth_time_of(access_token: str) -> int:
    claims: dict[str, Any] = jwt.decode(access_token, options={"verify_signature": False})
    return int(claims["auth_time"])


SENSITIVE = pytest.mark.parametrize("change", [change_own_email, change_password])


@SENSITIVE
async def test_sensitive_change_is_refused_long_after_the_password_was_entered(
    register: Register, db: asyncpg.Connection, change: Any
) -> None:
    ada = await register()
    await let_time_pass(ada, db)

    refusal = await change(ada)

    assert code_of(refusal, 401) == "reauthentication_required"
    assert 'error="insufficient_user_authentication"' in refusal.headers["WWW-Authenticate"]
    assert (await ada.get("/api/v1/users/me")).json()["email"] == ada.email
    assert (await login(ada.http, ada.email, ada.password)).status_code == 200


@SENSITIVE
async def test_sensitive_change_is_possible_after_the_password_was_entered_again(
    register: Register, db: asyncpg.Connection, change: Any
) -> None:
    ada = await register()
    await let_time_pass(ada, db)

    response = await reauthenticate(ada)

    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == {"access_token", "token_type", "expires_in"}
    assert session_id_of(answer["access_token"]) == session_id_of(ada.access_token)
    assert auth_time_of(answer["access_token"]) > auth_time_of(ada.access_token)
    assert code_of(await change(ada), 401) == "reauthentication_required"
    ada.access_token = answer["access_token"]
    assert (await change(ada)).is_success
    assert "user.reauthenticated" in await actions_on(db, ada.id)


async def test_authentication_stays_recent_for_as_long_as_is_set(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()

    await let_time_pass(ada, db, "59 minutes")
    assert (await change_own_email(ada)).is_success

    await let_time_pass(ada, db, "60 minutes 1 second")
    assert code_of(await change_own_email(ada), 401) == "reauthentication_required"


async def test_refreshing_is_no_authentication(register: Register) -> None:
    ada = await register()

    pair = (await refresh(ada.http, ada.refresh_token)).json()

    assert auth_time_of(pair["access_token"]) == auth_time_of(ada.access_token)


async def test_other_changes_need_no_password(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    await let_time_pass(ada, db)

    for body in ({"display_name": "Countess of Lovelace"}, {"email": ada.email}, {"email": ada.email.upper()}):
        assert (await ada.patch("/api/v1/users/me", body, if_match="*")).status_code == 200


async def test_address_of_others_needs_it_too(admin: Caller, register: Register, db: asyncpg.Connection) -> None:
    helper = await given.caller(admin, register, "users:update")
    member = await given.user(admin)
    await let_time_pass(helper, db)
    path, body = f"/api/v1/users/{member['id']}", {"email": f"{unique('new')}@example.org"}

    assert (await helper.patch(path, {"display_name": "Somebody"}, if_match="*")).status_code == 200
    assert code_of(await helper.patch(path, body, if_match="*"), 401) == "reauthentication_required"

    helper.access_token = (await reauthenticate(helper)).json()["access_token"]
    assert (await helper.patch(path, body, if_match="*")).status_code == 200


async def test_wrong_password_authenticates_nobody(register: Register, db: asyncpg.Connection) -> None:
    ada = await register()
    await let_time_pass(ada, db)

    refusal = await reauthenticate(ada, "no password of anybody")

    assert code_of(refusal, 401) == "invalid_credentials"
    assert "user.reauthentication_failed" in await actions_on(db, ada.id)
    assert await is_accepted(ada.http, ada.access_token)
    pair = (await refresh(ada.http, ada.refresh_token)).json()
    assert auth_time_of(pair["access_token"]) == auth_time_of(ada.access_token)


async def test_session_that_has_ended_is_not_authenticated_again(register: Register) -> None:
    ada = await register()
    await ada.delete("/api/v1/users/me/sessions")

    assert code_of(await reauthenticate(ada), 401) == "token_invalid"
