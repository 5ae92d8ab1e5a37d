"""The command by which the operator gives an account a new password."""

from uuid import UUID

import asyncpg
import httpx
import pytest

from cms_service.core.config import Settings
from cms_service.core.exceptions import NotFound, PasswordTooWeak
from cms_service.operating import reset_password
from tests.api.credentials import actions_on
from tests.fixtures import Caller, Register, sign_in

NEW_PASSWORD = "seven blue herons on a pier"


async def test_sessions_end_and_failures_are_forgotten_when_a_password_is_reset(
    settings: Settings, register: Register, admin: Caller, client: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    ada, bob = await register(), await register()
    await sign_in(client, ada.email, ada.password)
    await db.execute(
        "INSERT INTO throttles (purpose, subject, failures) VALUES ('account', $1, 91)", UUID(ada.id).bytes
    )

    done = await reset_password(settings, ada.email.upper(), NEW_PASSWORD)

    assert (done.ended_sessions, done.is_active) == (2, True)
    assert (await ada.get("/api/v1/users/me")).status_code == 401
    assert (await bob.get("/api/v1/users/me")).status_code == 200
    assert (await admin.get(f"/api/v1/users/{ada.id}/throttle")).json()["failures"] == 0
    assert (await actions_on(db, ada.id))[-1] == "user.password_reset"
    actors = await db.fetch(
        "SELECT actor_id FROM audit_events WHERE target_id = $1 AND action = 'user.password_reset'", UUID(ada.id)
    )
    assert [actor for (actor,) in actors] == [None]
    await sign_in(client, ada.email, NEW_PASSWORD)
    refused = await client.post("/api/v1/auth/login", json={"email": ada.email, "password": ada.password})
    assert refused.json()["code"] == "invalid_credentials"


async def test_account_stays_deactivated_when_its_password_is_reset(
    settings: Settings, register: Register, admin: Caller, client: httpx.AsyncClient
) -> None:
    ada = await register()
    await admin.patch(f"/api/v1/users/{ada.id}", {"is_active": False}, if_match="*")

    done = await reset_password(settings, ada.email, NEW_PASSWORD)

    assert not done.is_active
    refused = await client.post("/api/v1/auth/login", json={"email": ada.email, "password": NEW_PASSWORD})
    assert refused.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("email", ["nobody-at-all@example.org", "bob", ""])
async def test_reset_is_refused_when_no_account_has_the_address(settings: Settings, email: str) -> None:
    with pytest.raises(NotFound):
        await reset_password(settings, email, NEW_PASSWORD)


async def test_nothing_changes_when_the_new_password_is_too_weak(
    settings: Settings, register: Register, client: httpx.AsyncClient
) -> None:
    ada = await register()

    for password in ("short", "", "Ann Example Ann Example"):
        with pytest.raises(PasswordTooWeak):
            await reset_password(settings, ada.email, password)

    assert (await ada.get("/api/v1/users/me")).status_code == 200
    await sign_in(client, ada.email, ada.password)


async def test_reset_is_refused_when_the_account_is_deleted(
    settings: Settings, register: Register, admin: Caller
) -> None:
    ada = await register()
    await admin.delete(f"/api/v1/users/{ada.id}", if_match="*")

    with pytest.raises(NotFound):
        await reset_password(settings, ada.email, NEW_PASSWORD)
