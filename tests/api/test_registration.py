import asyncio
from collections import Counter

import asyncpg
import httpx

from tests.api.credentials import actions_on, login
from tests.api.problems import code_of, faults_of
from tests.factories import PASSWORD, unique
from tests.fixtures import Database, ServiceFactory

REGISTER = "/api/v1/auth/register"


def body(email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password, "display_name": "Ada Lovelace"}


async def test_account_is_made_with_the_role_of_members(client: httpx.AsyncClient, db: asyncpg.Connection) -> None:
    name = unique("ada")

    response = await client.post(REGISTER, json=body(f"{name.upper()}@Example.ORG"))

    assert response.status_code == 201, response.text
    account = response.json()
    assert account["email"] == f"{name}@example.org"
    assert [role["name"] for role in account["roles"]] == ["member"]
    assert (account["is_active"], account["email_verified_at"], account["external_id"]) == (True, None, None)
    assert response.headers["location"] == "/api/v1/users/me"
    assert await actions_on(db, account["id"]) == ["user.registered"]
    assert (await login(client, f"{name}@EXAMPLE.org", PASSWORD)).json()["user"] == account


async def test_password_counts_as_typed_when_it_has_spaces_and_other_scripts(client: httpx.AsyncClient) -> None:
    email, password = f"{unique('ada')}@example.org", "  zwölf Eulen \N{OWL}  "

    assert (await client.post(REGISTER, json=body(email, password))).status_code == 201

    assert (await login(client, email, password)).status_code == 200
    assert code_of(await login(client, email, password.strip()), 401) == "invalid_credentials"


async def test_one_account_is_made_when_fifty_ask_for_one_address(
    client: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    name = unique("ada")
    spellings = [name, name.upper(), name.title(), name.swapcase(), f"{name[:2].upper()}{name[2:]}"]
    emails = [f"{spelling}@{domain}" for spelling in spellings for domain in ("example.org", "EXAMPLE.Org")] * 5

    responses = await asyncio.gather(*(client.post(REGISTER, json=body(email)) for email in emails))

    assert Counter(response.status_code for response in responses) == {201: 1, 409: 49}
    assert {code_of(response, 409) for response in responses if response.is_error} == {"email_taken"}
    rows = await db.fetch("SELECT id FROM users WHERE email ILIKE $1", f"{name}@example.org")
    assert len(rows) == 1
    assert await actions_on(db, rows[0]["id"]) == ["user.registered"]


async def test_all_that_is_wrong_is_said_at_once(client: httpx.AsyncClient) -> None:
    response = await client.post(REGISTER, json={"email": "ada", "password": "administrator", "is_active": True})

    assert faults_of(response) == {
        "/email": ["not_an_email"],
        "/password": ["too_short", "common"],
        "/display_name": ["missing"],
        "/is_active": ["unknown_member"],
    }


async def test_weak_password_is_named_when_nothing_else_is_wrong(client: httpx.AsyncClient) -> None:
    response = await client.post(REGISTER, json=body(f"{unique('ada')}@example.org", "too short"))

    assert code_of(response, 400) == "password_too_weak"


async def test_nobody_registers_when_registration_is_closed(
    database: Database, db: asyncpg.Connection, service_factory: ServiceFactory
) -> None:
    closed = await service_factory(database, registration="closed")
    email = f"{unique('ada')}@example.org"

    async with closed.client() as client:
        assert code_of(await client.post(REGISTER, json=body(email)), 403) == "registration_closed"
        assert (await login(client, closed.admin_email, closed.admin_password)).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM users WHERE email = $1", email) == 0
