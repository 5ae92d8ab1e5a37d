"""Whoever sends the headers of a request, and its body only later, does not outlive their session in between."""

import asyncio
import json
from typing import Any

import httpx

from tests.api import given
from tests.api.metrics_page import Scrape
from tests.api.operations import WITH_BODY
from tests.api.problems import code_of
from tests.eventually import eventually
from tests.fixtures import Caller, Register, Service

ENOUGH_SECONDS = 1.0
"""Longer than authentication takes, and than a body may take before its sender is authorized again."""


class HeldBack:
    """A request whose headers have arrived."""

    def __init__(self, service: Service, caller: Caller, method: str, path: str, body: Any) -> None:
        self._service, self._caller, self._method, self._path = service, caller, method, path
        self._body = json.dumps(body).encode()

    async def send_headers(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        headers = {
            "Host": "127.0.0.1",
            "Authorization": f"Bearer {self._caller.access_token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(self._body)),
            "If-Match": "*",
            "Connection": "close",
        }
        lines = [f"{self._method} {self._path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + self._body[:1])
        await self._writer.drain()

    async def end(self) -> httpx.Response:
        self._writer.write(self._body[1:])
        answer = await self._reader.read()
        self._writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        return httpx.Response(int(status.split()[1]), headers=headers, content=body[:length])


async def begin(http: httpx.AsyncClient, *requests: HeldBack) -> None:
    """All of them have been authorized, and wait for their bodies."""

    async def are_being_answered() -> bool:
        page = Scrape((await http.get("/metrics")).text)
        # Besides, there is the request that asks.
        return page.total("cms_http_requests_in_progress") == len(requests) + 1

    for request in requests:
        await request.send_headers()
    await eventually(are_being_answered)
    await asyncio.sleep(ENOUGH_SECONDS)


SIGNED_IN = [operation for operation in WITH_BODY if operation.takes_bearer and operation.id != "logout"]


async def test_request_is_refused_when_its_session_has_ended_before_its_body_came(
    service: Service, admin: Caller, register: Register
) -> None:
    callers = {operation.id: await given.caller(admin, register, "*:*") for operation in SIGNED_IN}
    requests = {
        operation.id: HeldBack(
            service, callers[operation.id], operation.method, operation.url(), operation.minimal_body()
        )
        for operation in SIGNED_IN
    }
    for caller in callers.values():  # So the worker remembers the caller, and authenticates the next request at once.
        assert (await caller.get("/api/v1/users/me")).is_success
    await begin(admin.http, *requests.values())

    # All at once: the service waits ten seconds for a body.
    ends = await asyncio.gather(*(caller.post("/api/v1/auth/logout") for caller in callers.values()))

    answers = {name: await request.end() for name, request in requests.items()}
    assert {answer.status_code for answer in ends} == {204}
    assert {name: code_of(answer, 401) for name, answer in answers.items()} == dict.fromkeys(callers, "token_invalid")


async def test_administrator_who_was_deactivated_meanwhile_does_not_wake_again(
    service: Service, admin: Caller, register: Register
) -> None:
    chief = await given.caller(admin, register, "*:*")
    request = HeldBack(service, chief, "PATCH", f"/api/v1/users/{chief.id}", {"is_active": True})
    await begin(admin.http, request)

    assert (await admin.post(f"/api/v1/users/{chief.id}/deactivate")).is_success

    assert code_of(await request.end(), 401) == "token_invalid"
    assert not (await admin.get(f"/api/v1/users/{chief.id}")).json()["is_active"]


async def test_permission_that_was_withdrawn_meanwhile_opens_nothing(
    service: Service, admin: Caller, register: Register
) -> None:
    caller = await given.caller(admin, register, "permissions:create")
    request = HeldBack(service, caller, "POST", "/api/v1/permissions", {"name": "held:back"})
    await begin(admin.http, request)

    assert (await admin.put(f"/api/v1/users/{caller.id}/roles", {"assignments": []}, if_match="*")).is_success

    assert code_of(await request.end(), 403) == "permission_denied"


async def test_request_that_only_came_slowly_is_answered(service: Service, register: Register) -> None:
    caller = await register()
    request = HeldBack(service, caller, "PATCH", "/api/v1/users/me", {"display_name": "Slow and steady"})
    await begin(caller.http, request)

    assert (await request.end()).json()["display_name"] == "Slow and steady"
