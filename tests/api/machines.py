"""Service accounts and what they send."""

from typing import Any

import httpx

from tests.api import given
from tests.factories import unique
from tests.fixtures import Caller

ACCOUNTS = "/api/v1/service-accounts"
TOKEN, INTROSPECT, REVOKE = (f"/api/v1/auth/{name}" for name in ("token", "introspect", "revoke"))


class Machine(Caller):
    """A service account. Its requests carry its key, or the access token that it holds instead."""

    def __init__(self, http: httpx.AsyncClient, account: dict[str, Any], key: dict[str, Any]) -> None:
        self.http = http
        self.id = account["id"]
        self.name: str = account["name"]
        self.path = f"{ACCOUNTS}/{self.id}"
        self.key_id: str = key["id"]
        self.key: str = key["key"]
        self.access_token = self.key

    def holding(self, credential: str) -> "Machine":
        """The same machine with another credential."""
        other = Machine(self.http, {"id": self.id, "name": self.name}, {"id": self.key_id, "key": self.key})
        other.access_token = credential
        return other

    async def exchange(self, key: str | None = None) -> str:
        """An access token for its key."""
        response = await self.http.post(
            TOKEN, data={"grant_type": "client_credentials"}, auth=(self.id, key or self.key)
        )
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def is_accepted(self, credential: str | None = None) -> bool:
        """Whether it is let in, to wherever its permissions let it."""
        headers = {"Authorization": f"Bearer {credential or self.access_token}"}
        response = await self.http.get("/api/v1/users?limit=1", headers=headers)
        assert response.status_code in {200, 401, 403}, response.text
        return response.status_code != 401


async def account(admin: Caller, **members: Any) -> dict[str, Any]:
    """A service account without roles and keys."""
    response = await admin.post(ACCOUNTS, {"name": unique("machine")} | members)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def key(admin: Caller, account_id: str, **members: Any) -> dict[str, Any]:
    """A key of the account, with its secret."""
    response = await admin.post(f"{ACCOUNTS}/{account_id}/keys", {"name": "first"} | members)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def machine(admin: Caller, *permissions: str, terms: dict[str, Any] | None = None, **members: Any) -> Machine:
    """A service account that holds these permissions, with a key; `members` are those of the key."""
    made = await account(admin)
    if permissions:
        role = await given.role(admin, *permissions)
        response = await admin.put(f"{ACCOUNTS}/{made['id']}/roles/{role['id']}", terms)
        assert response.is_success, response.text
    return Machine(admin.http, made, await key(admin, made["id"], **members))


async def introspect(asker: Caller, token: str) -> dict[str, Any]:
    """What the service says of the token."""
    response = await asker.post(INTROSPECT, data={"token": token})
    assert response.status_code == 200, response.text
    return dict(response.json())
