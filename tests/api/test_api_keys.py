"""Secrets of machines: shown once, narrowed, replaced without a gap, and dead on the next request."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.api import given
from tests.api.credentials import actions_on
from tests.api.machines import ACCOUNTS, Machine, account, introspect, key, machine
from tests.api.problems import code_of, faults_of
from tests.eventually import eventually
from tests.factories import unique
from tests.fixtures import Caller, Service
from tests.unit.opaque_tokens import with_flipped_bits, with_wrong_character

USERS = "/api/v1/users?limit=1"
PARALLEL = 50


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_key_is_shown_once_and_stored_as_a_digest(admin: Caller, db: asyncpg.Connection) -> None:
    made = await account(admin)
    path = f"{ACCOUNTS}/{made['id']}/keys"
    created = await admin.post(path, {"name": "autumn"})
    shown = created.json()
    secret = shown.pop("key")
    assert created.headers["location"] == f"{path}/{shown['id']}"
    assert created.headers["cache-control"] == "no-store"
    assert (shown["name"], shown["permissions"], shown["created_by"]) == ("autumn", None, admin.id)
    lifetime = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(shown["created_at"])
    assert lifetime == timedelta(days=90)

    assert (await admin.get(f"{path}/{shown['id']}")).json() == shown
    listed = await admin.get(path, params={"include_total": True})
    assert (listed.json()["items"], listed.json()["total"]) == ([shown], 1)
    other = await account(admin)
    assert code_of(await admin.get(f"{ACCOUNTS}/{other['id']}/keys/{shown['id']}"), 404) == "not_found"
    assert code_of(await admin.delete(f"{ACCOUNTS}/{other['id']}/keys/{shown['id']}"), 404) == "not_found"
    for _ in range(2):
        assert (await admin.delete(f"{path}/{shown['id']}")).status_code == 204
    assert (await admin.get(f"{path}/{shown['id']}")).json()["revoked_at"] is not None
    assert await actions_on(db, shown["id"]) == ["api_key.created", "api_key.revoked"]
    row = await db.fetchval("SELECT k::text FROM api_keys k WHERE id = $1", UUID(shown["id"]))
    assert secret not in row
    assert secret.encode().hex() not in row


async def test_key_is_refused_when_it_would_last_too_long_or_allow_what_there_is_not(admin: Caller) -> None:
    made = await account(admin)
    path = f"{ACCOUNTS}/{made['id']}/keys"
    for wrong in (in_days(366), in_days(-1), "2998-01-01T00:00:00Z"):
        assert faults_of(await admin.post(path, {"name": "x", "expires_at": wrong})) == {
            "/expires_at": ["out_of_range"]
        }
    nowhere = unique("nowhere")
    wrong_names = ["users:read", f"{nowhere}:read", f"{nowhere}:*"]
    assert faults_of(await admin.post(path, {"name": "x", "permissions": wrong_names})) == {
        "/permissions/1": ["not_found"],
        "/permissions/2": ["not_found"],
    }
    assert (await admin.post(path, {"name": "x", "expires_at": in_days(364)})).status_code == 201
    asleep = await account(admin, is_active=False)
    assert code_of(await admin.post(f"{ACCOUNTS}/{asleep['id']}/keys", {"name": "x"}), 409) == "conflict"


async def test_keys_overlap_while_one_takes_over_from_another(admin: Caller) -> None:
    old = await machine(admin, "users:read")
    new = await key(admin, old.id, name="winter")
    token = await old.exchange()

    assert all([await old.is_accepted(each) for each in (old.key, new["key"], token)])
    assert (await admin.delete(f"{old.path}/keys/{old.key_id}")).status_code == 204

    assert [await old.is_accepted(each) for each in (old.key, token, new["key"])] == [False, False, True]
    assert await old.is_accepted(await old.exchange(new["key"]))


async def test_narrowed_key_allows_no_more_and_makes_no_more_of_itself(admin: Caller) -> None:
    names = ["users:read", "service_accounts:manage", "service_accounts:read"]
    whole = await machine(admin, "*:*")
    narrow = whole.holding((await key(admin, whole.id, permissions=[*names, "roles:read"]))["key"])
    beyond = await machine(admin, "audit:read", permissions=["users:read"])
    for caller in (narrow, narrow.holding(await narrow.exchange(narrow.access_token))):
        assert (await caller.get(USERS)).is_success
        assert code_of(await caller.get("/api/v1/audit-events"), 403) == "permission_denied"
        # Its own account can do more than it can.
        refused = await caller.post(f"{whole.path}/keys", {"name": "wider"})
        assert code_of(refused, 403) == "escalation_refused"
        role, other = await given.role(admin, "audit:read"), await account(admin)
        refused = await caller.put(f"{ACCOUNTS}/{other['id']}/roles/{role['id']}")
        assert code_of(refused, 403) == "escalation_refused"
    assert code_of(await beyond.get(USERS), 403) == "permission_denied"
    assert code_of(await beyond.get("/api/v1/audit-events"), 403) == "permission_denied"


async def deactivate(admin: Caller, one: Machine) -> httpx.Response:
    return await admin.patch(one.path, {"is_active": False}, if_match="*")


async def delete(admin: Caller, one: Machine) -> httpx.Response:
    return await admin.delete(one.path, if_match="*")


async def revoke(admin: Caller, one: Machine) -> httpx.Response:
    return await admin.delete(f"{one.path}/keys/{one.key_id}")


async def leak(_: Caller, one: Machine) -> httpx.Response:
    return await one.http.post("/api/v1/auth/revoke", data={"token": one.key})


@pytest.mark.slow
@pytest.mark.parametrize("kill", [deactivate, delete, revoke, leak])
async def test_key_and_its_tokens_are_dead_on_every_replica_on_the_next_request(
    admin: Caller,
    replicas: list[Service],
    kill: Callable[[Caller, Machine], Awaitable[httpx.Response]],
) -> None:
    one = await machine(admin, "users:read")
    credentials = [one.key, await one.exchange()]
    clients = [replica.client() for replica in replicas for _ in range(4)]

    async def accepted() -> set[int]:
        requests = [
            http.get(USERS, headers={"Authorization": f"Bearer {each}"}) for http in clients for each in credentials
        ]
        return {response.status_code for response in await asyncio.gather(*requests)}

    assert await accepted() == {200}
    assert (await kill(admin, one)).is_success
    assert await accepted() == {401}
    await asyncio.gather(*(http.aclose() for http in clients))
    assert [await introspect(admin, each) for each in credentials] == [{"active": False}] * 2
    refused = await one.http.post(
        "/api/v1/auth/token", data={"grant_type": "client_credentials"}, auth=(one.id, one.key)
    )
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    if kill is deactivate:
        assert (await admin.patch(one.path, {"is_active": True}, if_match="*")).is_success
        assert not await one.is_accepted()


async def test_expired_key_is_refused_with_its_tokens(admin: Caller, db: asyncpg.Connection) -> None:
    one = await machine(admin, "users:read")
    token = await one.exchange()
    await db.execute("UPDATE api_keys SET expires_at = now() - interval '2 s' WHERE id = $1", UUID(one.key_id))

    async def is_refused() -> bool:
        return not await one.is_accepted() and not await one.is_accepted(token)

    # No service did this, so that none waited until all had heard.
    await eventually(is_refused)
    assert await introspect(admin, one.key) == {"active": False}


async def test_forged_key_is_refused(admin: Caller) -> None:
    one = await machine(admin, "users:read")
    forged = [with_wrong_character(one.key, place) for place in (6, 30, len(one.key) - 1)]
    forged += list(with_flipped_bits(one.key, 32))[::16]
    for each in forged:
        assert not await one.is_accepted(each)
    assert await one.is_accepted()


async def test_fifty_uses_at_once_are_answered_and_the_last_is_written_down_once(
    admin: Caller, db: asyncpg.Connection
) -> None:
    one = await machine(admin, "users:read")
    [before] = await db.fetch("SELECT * FROM api_keys WHERE id = $1", UUID(one.key_id))

    answers = await asyncio.gather(*(one.get(USERS) for _ in range(PARALLEL)))

    assert {answer.status_code for answer in answers} == {200}

    async def last_used() -> Any:
        return await db.fetchrow("SELECT * FROM api_keys WHERE id = $1 AND last_used_at IS NOT NULL", UUID(one.key_id))

    row = await eventually(last_used)
    assert {name: row[name] for name in ("updated_at", "version")} == {
        name: before[name] for name in ("updated_at", "version")
    }
    assert await one.is_accepted()
    assert (await last_used())["last_used_at"] == row["last_used_at"]
