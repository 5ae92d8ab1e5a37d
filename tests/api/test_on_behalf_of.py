"""A machine acts for a user: with the rights of the user, and both are on record."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx

from cms_service.core.config import Settings
from cms_service.core.database import create_engine
from cms_service.core.security import AccessTokenCodec
from cms_service.parts import make_key_ring
from tests.api import given
from tests.api.credentials import login, session_id_of
from tests.api.machines import ACCOUNTS, Machine, introspect, machine
from tests.api.problems import code_of
from tests.factories import unique
from tests.fixtures import Caller, Register, Service

ME = "/api/v1/users/me"
HEADER = "X-On-Behalf-Of"


async def test_machine_acts_with_the_rights_of_the_user_and_both_are_on_record(
    admin: Caller, register: Register
) -> None:
    ada = await given.caller(admin, register, "permissions:create")
    deputy = await machine(admin, "users:read", permissions=["users:read"])
    for credential in (deputy.key, await deputy.exchange()):
        headers = {"Authorization": f"Bearer {credential}", HEADER: ada.access_token}
        assert (await ada.http.get(ME, headers=headers)).json()["id"] == ada.id
        # What only the machine may do, it may not do for her.
        assert code_of(await ada.http.get("/api/v1/users", headers=headers), 403) == "permission_denied"
        body = {"name": f"{unique('things')}:do"}
        assert (await ada.http.post("/api/v1/permissions", json=body, headers=headers)).status_code == 201

    events = (await admin.get("/api/v1/audit-events", params={"on_behalf_of": ada.id})).json()["items"]
    assert [event["action"] for event in events] == ["permission.created", "access.refused"] * 2
    assert {(event["actor_id"], event["credential_id"], event["on_behalf_of"]) for event in events} == {
        (deputy.id, deputy.key_id, ada.id)
    }
    assert {event["session_id"] for event in events} == {(await ada.get(f"{ME}/sessions")).json()["items"][0]["id"]}
    alone = await deputy.get("/api/v1/users/me")
    assert code_of(alone, 403) == "permission_denied"


async def test_only_a_live_machine_acts_and_only_for_a_live_user(
    admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    ada, grace = await register(), await register()
    deputy, other = await machine(admin), await machine(admin)

    async def asked_by(credential: str | None, *user_tokens: str, path: str = ME) -> str:
        headers = [(HEADER, token) for token in user_tokens]
        if credential is not None:
            headers.append(("Authorization", f"Bearer {credential}"))
        response = await ada.http.get(path, headers=headers)
        return "" if response.is_success else code_of(response, 401, 403)

    assert await asked_by(deputy.key, ada.access_token) == ""
    assert await asked_by(grace.access_token, ada.access_token) == "permission_denied"
    assert await asked_by(None, ada.access_token) == "authentication_required"
    assert await asked_by(deputy.key, ada.access_token, ada.access_token) == "token_invalid"
    assert await asked_by("cms_k_", ada.access_token) == "token_invalid"
    for wrong in ("", ada.refresh_token, other.key, await other.exchange(), f"Bearer {ada.access_token}", ada.id):
        assert await asked_by(deputy.key, wrong) == "token_invalid", wrong
    refused = await admin.get("/api/v1/audit-events", params={"actor_id": grace.id, "action": "access.refused"})
    assert len(refused.json()["items"]) == 1

    fresh = (await login(ada.http, ada.email, ada.password)).json()["access_token"]
    await ada.post("/api/v1/auth/logout")
    assert await asked_by(deputy.key, ada.access_token) == "token_invalid"
    assert await asked_by(deputy.key, fresh) == ""
    await admin.delete(f"{ACCOUNTS}/{deputy.id}/keys/{deputy.key_id}")
    assert await asked_by(deputy.key, fresh) == "token_invalid"
    await admin.post(f"/api/v1/users/{ada.id}/deactivate")
    assert await asked_by(other.key, fresh) == "token_invalid"


async def test_logout_for_a_user_ends_the_session_of_the_user(admin: Caller, register: Register) -> None:
    ada, deputy = await register(), await machine(admin)
    assert isinstance(deputy, Machine)
    headers = {"Authorization": f"Bearer {deputy.key}", HEADER: ada.access_token}

    assert (await ada.http.post("/api/v1/auth/logout", headers=headers)).status_code == 204

    assert code_of(await ada.get(ME), 401) == "token_invalid"
    assert code_of(await ada.http.post("/api/v1/auth/logout", headers=headers), 401) == "authentication_required"


async def test_token_of_the_user_is_refused_when_its_time_is_over(
    settings: Settings, service: Service, admin: Caller, register: Register
) -> None:
    ada, deputy = await register(), await machine(admin, "tokens:introspect")
    engine = create_engine(settings)
    signer = await make_key_ring(settings, engine).signer()
    await engine.dispose()
    lifetime = timedelta(hours=1)

    def signed(at: datetime) -> str:
        return AccessTokenCodec(service.url, int(lifetime.total_seconds())).sign(
            signer,
            user_id=UUID(ada.id),
            session_id=UUID(session_id_of(ada.access_token)),
            authenticated_at=at,
            token_id=str(uuid4()),
            now=at,
        )

    async def ask(credential: str, **headers: str) -> httpx.Response:
        return await ada.http.get(ME, headers={"Authorization": f"Bearer {credential}"} | headers)

    now = datetime.now(UTC)
    live, expired = signed(now), signed(now - 2 * lifetime)
    assert (await ask(deputy.key, **{HEADER: live})).json()["id"] == ada.id
    refusal = await ask(deputy.key, **{HEADER: expired})
    assert code_of(refusal, 401) == "token_expired"
    assert HEADER in refusal.json()["detail"]
    # Presented as the caller's own credential, the same token has nothing to do with the header.
    own = await ask(expired)
    assert code_of(own, 401) == "token_expired"
    assert HEADER not in own.json()["detail"]
    assert (await introspect(deputy, live))["active"]
    assert await introspect(deputy, expired) == {"active": False}
