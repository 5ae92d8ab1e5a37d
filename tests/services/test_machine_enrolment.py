"""The command that makes a first machine."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import translate_error
from cms_service.core.exceptions import NameTaken, NotFound, ServiceError, ValidationFailed
from cms_service.operating import create_service_account
from tests.api import given
from tests.api.credentials import actions_on
from tests.factories import unique
from tests.fixtures import Caller


async def test_machine_may_do_at_once_what_its_roles_allow(
    settings: Settings, admin: Caller, client: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    roles = [await given.role(admin, "users:read"), await given.role(admin, "roles:read")]
    name = unique("machine")

    machine = await create_service_account(settings, name, "Publishes.", [role["name"] for role in roles])

    account = (await admin.get(f"/api/v1/service-accounts/{machine.service_account_id}")).json()
    assert (account["name"], account["description"], account["is_active"]) == (name, "Publishes.", True)
    assert {role["id"] for role in account["roles"]} == {role["id"] for role in roles}
    [key] = (await admin.get(f"/api/v1/service-accounts/{account['id']}/keys")).json()["items"]
    assert (key["name"], datetime.fromisoformat(key["expires_at"])) == ("first", machine.expires_at)
    lifetime = machine.expires_at - datetime.now(UTC)
    assert timedelta(days=settings.api_key_days - 1) < lifetime <= timedelta(days=settings.api_key_days)
    headers = {"Authorization": f"Bearer {machine.key}"}
    paths = ("/api/v1/users?limit=1", "/api/v1/roles?limit=1", "/api/v1/audit-events?limit=1")
    assert [(await client.get(path, headers=headers)).status_code for path in paths] == [200, 200, 403]
    assert await actions_on(db, account["id"]) == ["service_account.created"] + 2 * ["service_account.role_assigned"]
    assert await db.fetchval("SELECT bool_and(actor_id IS NULL) FROM audit_events WHERE target_id = $1", account["id"])


@pytest.mark.parametrize(
    ("name", "description", "role", "error"),
    [
        ("No Slug", "", "member", ValidationFailed),
        ("", "", "member", ValidationFailed),
        ("{name}", "x" * 10_000, "member", ValidationFailed),
        ("{taken}", "", "member", NameTaken),
        ("{name}", "", "no-such-role", NotFound),
    ],
)
async def test_no_machine_is_made_when_something_about_it_is_not_acceptable(
    settings: Settings, db: asyncpg.Connection, name: str, description: str, role: str, error: type[ServiceError]
) -> None:
    taken = unique("machine")
    await create_service_account(settings, taken, "", [])
    before = await db.fetchval("SELECT count(*) FROM service_accounts")
    given_name = name.format(name=unique("machine"), taken=taken)

    with pytest.raises(Exception) as refusal:  # noqa: PT011 - which one it is, is the question
        await create_service_account(settings, given_name, description, ["member", role])

    assert type(translate_error(refusal.value)) is error
    assert await db.fetchval("SELECT count(*) FROM service_accounts") == before
    if isinstance(refusal.value, ValidationFailed):
        [violation] = refusal.value.violations
        assert violation.detail.startswith("Expected `str` ")
