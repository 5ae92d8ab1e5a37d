"""Decisions for a client of AuthZEN that somebody else published.

decern asks at the path that the standard suggests, reads no metadata and sends no credential: it expects a gateway
that knows better. Here an opener is that gateway; what is asked, and how the answer is taken, is the client's own.
"""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib import request

import decern
import httpx
import pytest

from tests.api import given
from tests.fixtures import Caller, Service

CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


class Gateway(request.BaseHandler):
    """Sends whatever is asked to where the service says that it decides."""

    handler_order = 0
    """Before the request is made ready to be sent."""

    def __init__(self, service: Service) -> None:
        metadata = httpx.get(f"{service.url}/.well-known/authzen-configuration").raise_for_status().json()
        self._endpoint: str = metadata["access_evaluation_endpoint"]
        self.access_token = ""

    def http_request(self, asked: request.Request) -> request.Request:
        asked.full_url = self._endpoint
        asked.add_header("Authorization", f"Bearer {self.access_token}")
        return asked


@pytest.fixture(scope="module")
def gateway(service: Service) -> Iterator[Gateway]:
    gateway = Gateway(service)
    request.install_opener(request.build_opener(gateway))
    yield gateway
    request.install_opener(request.build_opener())


@pytest.fixture(scope="module")
async def people(admin: Caller) -> None:
    """alice and bob, as the certification of AuthZEN knows them."""
    reader, writer = await given.role(admin, "record:read"), await given.role(admin, "record:write")
    await admin.put(f"/api/v1/roles/{writer['id']}/parents", {"parent_ids": [reader["id"]]}, if_match="*")
    alice, bob = [await given.user(admin, external_id=name) for name in ("alice", "bob")]
    for user, role, record in ((alice, writer, "1"), (bob, reader, "1"), (bob, writer, "2")):
        await given.assignment(admin, user["id"], role["id"], scope=f"record:record-{record}")


async def ask(name: str, action: str, record: str, context: dict[str, str] | None = None) -> Any:
    """In a thread, since the client is none for asyncio."""
    subject, resource = {"type": "user", "id": name}, {"type": "record", "id": record}
    return await asyncio.to_thread(lambda: decern.Client().evaluate(subject, action, resource, context))


@pytest.mark.parametrize(
    ("name", "action", "record", "is_allowed"),
    [
        ("alice", "read", "record-1", True),
        ("alice", "write", "record-1", True),
        ("alice", "write", "record-2", False),
        ("bob", "read", "record-1", True),
        ("bob", "write", "record-1", False),
        ("bob", "write", "record-2", True),
        ("nobody", "read", "record-1", False),
    ],
)
async def test_client_takes_the_decision_as_it_is_meant(
    admin: Caller, gateway: Gateway, people: None, name: str, action: str, record: str, is_allowed: bool
) -> None:
    gateway.access_token = admin.access_token
    for context in (None, CONTEXT):
        assert await ask(name, action, record, context) == decern.Decision(allowed=is_allowed)


async def test_client_is_told_when_it_may_not_ask(gateway: Gateway) -> None:
    gateway.access_token = "none"
    with pytest.raises(decern.DecernError) as refusal:
        await ask("alice", "read", "record-1")
    assert refusal.value.status_code == 401
    assert '"code":"token_invalid"' in refusal.value.body
