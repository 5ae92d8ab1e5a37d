"""Callers that lose what they may do, and what a replica answers them afterwards."""

import asyncio
from collections import Counter
from typing import Any, TypeAlias

import httpx
import msgspec
import pytest

from tests.api import given
from tests.api.credentials import login, session_id_of
from tests.api.machines import ACCOUNTS, machine
from tests.factories import PermissionCreateFactory, RegisterRequestFactory
from tests.fixtures import Caller, sign_in

USERS = "/api/v1/users"
PERMISSIONS = "/api/v1/permissions"
GUARDED = f"{PERMISSIONS}?limit=1"
ME = f"{USERS}/me"
QUESTIONS = 50
"""Of each kind."""

Answers: TypeAlias = Counter[tuple[str, int]]
"""How often a kind of caller was answered with a status."""


class Doomed(msgspec.Struct, frozen=True):
    """A caller that may do something until that is ended."""

    what: str
    token: str
    path: str
    end_method: str
    end_path: str

    async def ask(self, http: httpx.AsyncClient) -> int:
        return (await http.get(self.path, headers={"Authorization": f"Bearer {self.token}"})).status_code

    async def end(self, admin: Caller) -> None:
        response = await admin.request(self.end_method, self.end_path, if_match="*")
        assert response.is_success, (self.what, response.text)


async def make_doomed(admin: Caller) -> list[Doomed]:
    """One of each kind."""
    role = await given.role(admin, "permissions:read")
    holder, signed_in, active = [await new_user(admin) for _ in range(3)]
    await given.assignment(admin, holder.id, role["id"])
    robot = await machine(admin, "permissions:read")
    session_id = session_id_of(signed_in.access_token)
    return [
        Doomed("role", holder.access_token, GUARDED, "DELETE", f"{USERS}/{holder.id}/roles/{role['id']}"),
        Doomed("session", signed_in.access_token, ME, "DELETE", f"{USERS}/{signed_in.id}/sessions/{session_id}"),
        Doomed("account", active.access_token, ME, "POST", f"{USERS}/{active.id}/deactivate"),
        Doomed("key", robot.key, GUARDED, "DELETE", f"{ACCOUNTS}/{robot.id}/keys/{robot.key_id}"),
    ]


async def new_user(admin: Caller) -> Caller:
    body = RegisterRequestFactory.build()
    response = await admin.http.post("/api/v1/auth/register", json=msgspec.to_builtins(body))
    assert response.status_code == 201, response.text
    return await sign_in(admin.http, body.email, body.password)


def new_permission() -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(PermissionCreateFactory.build())
    return body


async def ask_all(doomed: list[Doomed], http: httpx.AsyncClient, times: int = QUESTIONS) -> Answers:
    answers: Answers = Counter()
    for _ in range(times):
        statuses = await asyncio.gather(*(each.ask(http) for each in doomed))
        answers.update((each.what, status) for each, status in zip(doomed, statuses, strict=True))
    return answers


def statuses_of(answers: Answers) -> set[int]:
    return {status for _, status in answers}


async def can_write(http: httpx.AsyncClient, admin: Caller) -> bool:
    """By all connections of the service: a write in a unit of work, and a sign-in on the fast lane."""
    headers = {"Authorization": f"Bearer {admin.access_token}"}
    written = await http.post(PERMISSIONS, json=new_permission(), headers=headers)
    signed_in = await login(http, admin.email, admin.password)
    statuses = {written.status_code, signed_in.status_code}
    assert statuses <= {200, 201, 503}, (written.text, signed_in.text)
    return statuses == {200, 201}


def report(capsys: pytest.CaptureFixture[str], fault: str, answers: Answers, seconds: float) -> None:
    allowed = sum(count for (_, status), count in answers.items() if status < 300)
    told = ", ".join(f"{what} {status}: {count}" for (what, status), count in sorted(answers.items()))
    with capsys.disabled():
        print(f"\n{fault}: wrong allows {allowed} ({told}); writes are back after {seconds:.1f} s")  # noqa: T201 - figures
