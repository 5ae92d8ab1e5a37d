"""Using credentials, and asking whether they still count."""

from typing import Any

import asyncpg
import httpx
import jwt

from tests.api.problems import code_of
from tests.fixtures import Caller


async def login(http: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await http.post("/api/v1/auth/login", json={"email": email, "password": password})


async def refresh(http: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})


async def is_accepted(http: httpx.AsyncClient, access_token: str) -> bool:
    """Whether the access token opens what every account may see."""
    response = await http.get("/api/v1/users/me", headers={"Authorization": f"Bearer {access_token}"})
    if response.is_success:
        return True
    assert code_of(response, 401) == "token_invalid"
    return False


def session_id_of(access_token: str) -> str:
    claims: dict[str, Any] = jwt.decode(access_token, options={"verify_signature": False})
    return str(claims["sid"])


async def actions_on(db: asyncpg.Connection, target_id: str) -> list[str]:
    """What the audit trail says was done to the target, oldest first."""
    rows = await db.fetch("SELECT action FROM audit_events WHERE target_id = $1 ORDER BY at, id", target_id)
    return [row["action"] for row in rows]


async def let_time_pass(caller: Caller, db: asyncpg.Connection, interval: str = "61 minutes") -> None:
    """The caller signed in that long ago, and has refreshed since."""
    await db.execute(
        f"UPDATE refresh_tokens SET authenticated_at = now() - interval '{interval}' WHERE id = $1",  # noqa: S608
        session_id_of(caller.access_token),
    )
    pair = (await refresh(caller.http, caller.refresh_token)).json()
    caller.access_token, caller.refresh_token = pair["access_token"], pair["refresh_token"]
