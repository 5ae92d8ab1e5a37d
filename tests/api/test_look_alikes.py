"""New addresses that look like others are refused. Accounts that got one before the rule can still be used."""

from typing import Any

import asyncpg
import httpx
import pytest

from cms_service.core.config import Settings
from cms_service.operating import lift_throttle
from tests.api.credentials import actions_on, login
from tests.api.problems import faults_of
from tests.factories import PASSWORD, unique
from tests.fixtures import Caller, Register

CYRILLIC_O, DOTLESS_I = "\u043e", "\u0131"
LOOK_ALIKES = [
    f"test{CYRILLIC_O}@example.org",
    f"test{DOTLESS_I}@example.org",
    f"ada@ex{CYRILLIC_O}mple.org",
    "ada@xn--n1aag8f.org",
    "\u0441\u043e\u0441\u043e@example.org",
]


@pytest.fixture
async def veteran(register: Register, db: asyncpg.Connection) -> Caller:
    """An account of before the rule."""
    name = unique("veteran")
    caller = await register(email=f"{name}o@example.org")
    caller.email = f"{name}{CYRILLIC_O}@example.org"
    await db.execute("UPDATE users SET email = $1 WHERE id = $2", caller.email, caller.id)
    return caller


@pytest.mark.parametrize("email", LOOK_ALIKES)
async def test_look_alike_is_refused_wherever_an_account_gets_its_address(
    client: httpx.AsyncClient, admin: Caller, register: Register, email: str
) -> None:
    ada = await register()
    account: dict[str, Any] = {"email": email, "display_name": "Ada Lovelace", "password": PASSWORD}

    for response in (
        await client.post("/api/v1/auth/register", json=account),
        await admin.post("/api/v1/users", account),
        await admin.patch(f"/api/v1/users/{ada.id}", {"email": email}, if_match="*"),
        await ada.patch("/api/v1/users/me", {"email": email}, if_match="*"),
    ):
        assert faults_of(response) == {"/email": ["ambiguous_characters"]}


async def test_account_signs_in_when_its_address_is_older_than_the_rule(
    client: httpx.AsyncClient, veteran: Caller
) -> None:
    for spelling in (veteran.email, veteran.email.upper()):
        signed_in = await login(client, spelling, veteran.password)
        assert (signed_in.status_code, signed_in.json()["user"]["email"]) == (200, veteran.email)
    latin = veteran.email.replace(CYRILLIC_O, "o")
    assert (await login(client, latin, veteran.password)).status_code == 401


async def test_only_what_is_wrong_is_named_when_the_address_is_older_than_the_rule(
    client: httpx.AsyncClient, veteran: Caller
) -> None:
    body = {"email": veteran.email, "password": veteran.password, "device_token": 5}
    assert faults_of(await client.post("/api/v1/auth/login", json=body)) == {"/device_token": ["wrong_type"]}


async def test_account_is_found_when_its_address_is_older_than_the_rule(
    admin: Caller, veteran: Caller, settings: Settings, db: asyncpg.Connection
) -> None:
    for spelling in (veteran.email, veteran.email.upper()):
        found = (await admin.get("/api/v1/users", params={"email": spelling})).json()["items"]
        assert [each["id"] for each in found] == [veteran.id]
        question = {"action": {"name": "read"}, "resource": {"type": "articles", "id": "1"}}
        subject = {"type": "user", "id": spelling}
        told = (await admin.post("/api/v1/access/explain", question | {"subject": subject})).json()
        assert told["subject_id"] == veteran.id
        await lift_throttle(settings, spelling)
    assert (await actions_on(db, veteran.id)).count("user.throttle_lifted") == 2


async def test_account_is_changed_and_restored_when_its_address_is_older_than_the_rule(
    admin: Caller, veteran: Caller
) -> None:
    path = f"/api/v1/users/{veteran.id}"
    changed = await admin.patch(path, {"display_name": "Ada King"}, if_match="*")
    assert (changed.status_code, changed.json()["email"]) == (200, veteran.email)
    whole = {"email": veteran.email.upper(), "display_name": "Ada Byron"}
    unchanged = await admin.patch(path, whole, if_match="*")
    assert (unchanged.status_code, unchanged.json()["email"]) == (200, veteran.email)
    own = await veteran.patch("/api/v1/users/me", {"email": veteran.email}, if_match="*")
    assert (own.status_code, own.json()["email"]) == (200, veteran.email)
    assert (await admin.delete(path, if_match="*")).status_code == 204
    assert (await admin.post(f"{path}/restore")).json()["email"] == veteran.email
