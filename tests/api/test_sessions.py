from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.api.credentials import actions_on, is_accepted, login, refresh, session_id_of
from tests.api.problems import code_of
from tests.fixtures import Caller, Register, sign_in

OWN = "/api/v1/users/me/sessions"


async def sessions_of(caller: Caller, path: str = OWN) -> list[dict[str, Any]]:
    response = await caller.get(path)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


@pytest.fixture
async def ada(register: Register) -> Caller:
    return await register()


@pytest.fixture
async def other_device(ada: Caller) -> Caller:
    return await sign_in(ada.http, ada.email, ada.password)


async def is_signed_in(caller: Caller) -> bool:
    """Whether its session lives. Both of its tokens must agree."""
    is_live = await is_accepted(caller.http, caller.access_token)
    response = await refresh(caller.http, caller.refresh_token)
    assert is_live or code_of(response, 401) == "refresh_token_invalid"
    assert response.is_success == is_live
    return is_live


async def test_devices_are_listed_youngest_first_and_nothing_secret_with_them(
    ada: Caller, other_device: Caller
) -> None:
    sessions = await sessions_of(ada)

    assert [session["id"] for session in sessions] == [
        session_id_of(caller.access_token) for caller in (other_device, ada)
    ]
    assert [session["is_current"] for session in sessions] == [False, True]
    for session in sessions:
        assert session.keys() == {
            "id",
            "created_at",
            "last_used_at",
            "expires_at",
            "ip",
            "user_agent",
            "is_current",
        }
        assert session["ip"] == "127.0.0.1"
        assert session["user_agent"].startswith("python-httpx/")
        assert session["created_at"] <= session["last_used_at"] < session["expires_at"]


async def test_device_says_who_it_is_when_it_signs_in(ada: Caller) -> None:
    body = {"email": ada.email, "password": ada.password}
    headers = {"User-Agent": "Editor\t1.0 " + "x" * 600, "X-Forwarded-For": "203.0.113.9"}

    assert (await ada.http.post("/api/v1/auth/login", json=body, headers=headers)).status_code == 200

    youngest = (await sessions_of(ada))[0]
    assert youngest["user_agent"].startswith("Editor1.0 x")
    assert len(youngest["user_agent"]) == 512
    assert youngest["ip"] == "127.0.0.1", "nobody has named a proxy that may say otherwise"


async def test_session_is_not_listed_when_it_is_over(ada: Caller, other_device: Caller, db: asyncpg.Connection) -> None:
    await db.execute(
        "UPDATE refresh_tokens SET idle_expires_at = now() WHERE id = $1", session_id_of(other_device.access_token)
    )

    (session,) = await sessions_of(ada)

    assert session["is_current"]
    assert code_of(await ada.delete(f"{OWN}/{session_id_of(other_device.access_token)}"), 404) == "not_found"


async def test_one_device_is_signed_out_and_the_others_are_not(
    ada: Caller, other_device: Caller, db: asyncpg.Connection
) -> None:
    session_id = session_id_of(other_device.access_token)

    assert (await ada.delete(f"{OWN}/{session_id}")).status_code == 204

    assert not await is_signed_in(other_device)
    assert await is_signed_in(ada)
    assert await actions_on(db, session_id) == ["session.opened", "session.ended"]
    assert code_of(await ada.delete(f"{OWN}/{session_id}"), 404) == "not_found"


async def test_all_devices_are_signed_out_at_once(ada: Caller, other_device: Caller) -> None:
    assert (await ada.delete(OWN)).status_code == 204

    assert not await is_signed_in(ada)
    assert not await is_signed_in(other_device)
    assert (await login(ada.http, ada.email, ada.password)).status_code == 200


async def test_session_of_another_is_not_found(ada: Caller, register: Register) -> None:
    stranger = await register()
    foreign_id, unknown_id = session_id_of(stranger.access_token), str(uuid4())

    answers = [await ada.delete(f"{OWN}/{session_id}") for session_id in (foreign_id, unknown_id)]

    assert [code_of(answer, 404) for answer in answers] == ["not_found", "not_found"]
    foreign, unknown = (answer.json() | {"request_id": "", "instance": ""} for answer in answers)
    assert foreign == unknown
    assert await is_signed_in(stranger)


async def test_administrator_sees_the_same_and_is_not_on_the_list(
    admin: Caller, ada: Caller, other_device: Caller
) -> None:
    sessions = await sessions_of(admin, f"/api/v1/users/{ada.id}/sessions")

    assert [session | {"is_current": True} for session in sessions] == [
        session | {"is_current": True} for session in await sessions_of(ada)
    ]
    assert not any(session["is_current"] for session in sessions)


async def test_administrator_signs_out_one_device(admin: Caller, ada: Caller, other_device: Caller) -> None:
    path = f"/api/v1/users/{ada.id}/sessions/{session_id_of(other_device.access_token)}"

    assert (await admin.delete(path)).status_code == 204

    assert not await is_signed_in(other_device)
    assert await is_signed_in(ada)
    assert code_of(await admin.delete(path), 404) == "not_found"


async def test_administrator_signs_out_all_devices(
    admin: Caller, ada: Caller, other_device: Caller, db: asyncpg.Connection
) -> None:
    assert (await admin.delete(f"/api/v1/users/{ada.id}/sessions")).status_code == 204

    assert not await is_signed_in(ada)
    assert not await is_signed_in(other_device)
    rows = await db.fetch("SELECT revoked_reason FROM refresh_tokens WHERE user_id = $1", ada.id)
    assert [row["revoked_reason"] for row in rows] == ["ended_by_administrator"] * 2


async def test_session_is_not_found_under_another_user(admin: Caller, ada: Caller, register: Register) -> None:
    stranger = await register()
    session_id = session_id_of(stranger.access_token)

    for path in (f"/api/v1/users/{ada.id}/sessions/{session_id}", f"/api/v1/users/{uuid4()}/sessions/{session_id}"):
        assert code_of(await admin.delete(path), 404) == "not_found"

    assert await is_signed_in(stranger)


async def test_oldest_session_ends_when_a_user_signs_in_too_often(ada: Caller, db: asyncpg.Connection) -> None:
    await db.execute(
        "INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at) SELECT gen_random_uuid(), $1, "
        "'\\x00', now() + interval '1 day', now() + interval '1 day' FROM generate_series(1, 99)",
        ada.id,
    )
    newest = await sign_in(ada.http, ada.email, ada.password)
    assert not await is_signed_in(ada)
    assert len(await sessions_of(newest)) == 100
