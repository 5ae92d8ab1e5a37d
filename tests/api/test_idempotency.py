"""Whoever repeats a creating request under the same key gets the same answer, and it happens once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.core.security import NONCE_BYTES, Sealer, derive_key
from tests.api import given
from tests.api.given import Json
from tests.api.machines import ACCOUNTS, account, key, machine
from tests.api.problems import code_of, faults_of
from tests.eventually import eventually
from tests.factories import (
    PermissionCreateFactory,
    RegisterRequestFactory,
    RoleCreateFactory,
    UserCreateFactory,
)
from tests.fixtures import Caller, Register, Service
from tests.fixtures.services import SECRET_KEY

REGISTER = "/api/v1/auth/register"
USERS = "/api/v1/users"
ROLES = "/api/v1/roles"
PERMISSIONS = "/api/v1/permissions"
PARALLEL = 30


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid4())}


def body_of(factory: Any, **members: Any) -> Json:
    return dict(msgspec.to_builtins(factory.build(**members)))


def new_name() -> Json:
    return {"name": f"n-{uuid4().hex[:20]}", "description": ""}


BODIES: dict[str, Callable[[], Json]] = {
    REGISTER: lambda: body_of(RegisterRequestFactory),
    USERS: lambda: body_of(UserCreateFactory),
    ROLES: lambda: body_of(RoleCreateFactory, permission_ids=[]),
    PERMISSIONS: lambda: body_of(PermissionCreateFactory),
    ACCOUNTS: new_name,
    f"{ACCOUNTS}/{{account}}/keys": lambda: {"name": "nightly"},
}


async def path_of(admin: Caller, route: str) -> str:
    return route.replace("{account}", (await account(admin))["id"]) if "{" in route else route


def unlike(body: Json) -> Json:
    changed = "display_name" if "display_name" in body else "description" if "description" in body else "name"
    return body | {changed: "something else"}


async def test_every_post_that_creates_takes_a_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/schema/openapi.json")).json()

    creating = {path for path, item in document["paths"].items() if "201" in item.get("post", {}).get("responses", {})}

    assert creating == {route.replace("{account}", "{service_account_id}") for route in BODIES}
    for path in creating:
        operation = document["paths"][path]["post"]
        assert "Idempotency-Key" in {parameter.get("name") for parameter in operation["parameters"]}, path
        assert {"409", "422"} <= operation["responses"].keys(), path
        assert "Idempotency-Replayed" in operation["responses"]["201"]["headers"], path


@pytest.mark.parametrize("route", BODIES)
async def test_answer_is_repeated_to_the_letter_and_nothing_happens_twice(
    admin: Caller, db: asyncpg.Connection, route: str
) -> None:
    path, body, headers = await path_of(admin, route), BODIES[route](), keyed()
    first = await admin.post(path, body, headers=headers)
    assert first.status_code == 201, first.text
    again = await admin.post(path, body, headers=headers)

    assert (again.status_code, again.content) == (201, first.content)
    assert (first.headers["idempotency-replayed"], again.headers["idempotency-replayed"]) == ("false", "true")
    for name in ("location", "etag", "content-type", "cache-control"):
        assert again.headers.get(name) == first.headers.get(name)
    by_request = "SELECT count(*) FROM audit_events WHERE request_id = $1"
    written = [await db.fetchval(by_request, answer.headers["x-request-id"]) for answer in (first, again)]
    assert (written[0] > 0, written[1]) == (True, 0)
    # A key stands for one request: not for another body, and not for another path.
    assert code_of(await admin.post(path, unlike(body), headers=headers), 422) == "idempotency_key_reused"
    if route != REGISTER:  # There, everybody is a stranger.
        other = PERMISSIONS if path != PERMISSIONS else ACCOUNTS
        assert code_of(await admin.post(other, BODIES[other](), headers=headers), 422) == "idempotency_key_reused"
    # Without a key, the request is a new one.
    bare = await admin.post(path, body)
    assert bare.status_code == (201 if route.endswith("/keys") else 409)


async def test_secrets_in_answers_and_requests_are_not_stored_in_clear(admin: Caller, db: asyncpg.Connection) -> None:
    headers = keyed()
    path = await path_of(admin, f"{ACCOUNTS}/{{account}}/keys")
    key = (await admin.post(path, {"name": "nightly"}, headers=headers)).json()["key"]
    registered = BODIES[REGISTER]()
    await admin.post(REGISTER, registered, headers=headers)

    rows = await db.fetch("SELECT digest, sealed_answer, k::text FROM idempotency_keys k")
    stored = b"".join(row["digest"] + row["sealed_answer"] for row in rows)
    text = " ".join(row["k"] for row in rows)
    assert stored
    for secret in (key, registered["password"], registered["email"], headers["Idempotency-Key"]):
        assert secret.encode() not in stored
        assert secret.encode().hex() not in text


async def test_keys_of_one_caller_mean_nothing_to_another(admin: Caller, register: Register) -> None:
    creator = await given.caller(admin, register, "permissions:create")
    headers, body = keyed(), BODIES[PERMISSIONS]()
    created = await admin.post(PERMISSIONS, body, headers=headers)

    assert code_of(await creator.post(PERMISSIONS, body, headers=headers), 409) == "name_taken"
    stranger = await register()
    assert code_of(await stranger.post(PERMISSIONS, body, headers=headers), 403) == "permission_denied"
    other = BODIES[PERMISSIONS]()
    assert (await creator.post(PERMISSIONS, other, headers=headers)).json()["name"] == other["name"]
    assert (await admin.post(PERMISSIONS, body, headers=headers)).json() == created.json()


async def test_narrowed_key_is_not_told_what_an_unrestricted_one_was_answered(
    admin: Caller,
) -> None:
    unrestricted = await machine(admin, "*:*")
    narrowed = unrestricted.holding((await key(admin, unrestricted.id, permissions=["service_accounts:manage"]))["key"])
    path, body, headers = f"{unrestricted.path}/keys", {"name": "nightly"}, keyed()
    assert (await unrestricted.post(path, body, headers=headers)).status_code == 201

    assert code_of(await narrowed.post(path, body, headers=headers), 403) == "escalation_refused"
    assert (await unrestricted.post(path, body, headers=headers)).headers["idempotency-replayed"] == "true"


async def test_caller_who_may_no_longer_create_gets_no_answer_again(admin: Caller, register: Register) -> None:
    creator = await given.caller(admin, register, "permissions:create")
    headers, body = keyed(), BODIES[PERMISSIONS]()
    assert (await creator.post(PERMISSIONS, body, headers=headers)).status_code == 201
    response = await admin.put(f"{USERS}/{creator.id}/roles", {"assignments": []}, if_match="*")
    assert response.is_success, response.text

    assert code_of(await creator.post(PERMISSIONS, body, headers=headers), 403) == "permission_denied"


async def test_refusals_and_previews_are_not_kept(admin: Caller) -> None:
    headers, body = keyed(), BODIES[ROLES]()
    first = await admin.post(ROLES, BODIES[ROLES]() | {"name": body["name"]})
    assert code_of(await admin.post(ROLES, body, headers=headers), 409) == "name_taken"
    assert code_of(await admin.post(ROLES, {"name": 1}, headers=headers), 400) == "validation_failed"
    assert (await admin.delete(f"{ROLES}/{first.json()['id']}", if_match="*")).status_code == 204
    assert (await admin.post(f"{ROLES}?dry_run=true", body, headers=headers)).status_code == 202

    created = await admin.post(ROLES, body, headers=headers)

    assert (created.status_code, created.headers["idempotency-replayed"]) == (201, "false")


async def test_key_is_free_again_after_a_day(admin: Caller, db: asyncpg.Connection) -> None:
    headers, body = keyed(), BODIES[PERMISSIONS]()
    first = await admin.post(PERMISSIONS, body, headers=headers)
    await db.execute(
        "UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes'"
        " WHERE created_at = (SELECT max(created_at) FROM idempotency_keys)"
    )
    assert (await admin.post(PERMISSIONS, body, headers=headers)).json() == first.json()
    await db.execute(
        "UPDATE idempotency_keys SET created_at = created_at - interval '1 minute'"
        " WHERE created_at < now() - interval '23 hours'"
    )

    other = await admin.post(PERMISSIONS, BODIES[PERMISSIONS](), headers=headers)

    assert (other.status_code, other.json()["id"] == first.json()["id"]) == (201, False)
    assert (await admin.post(PERMISSIONS, body, headers=headers)).status_code == 422


SEALER = Sealer(derive_key(bytes.fromhex(SECRET_KEY), "answers"))


def by_another_secret_key(digest: bytes) -> bytes:
    sealer = Sealer(derive_key(b"x" * 32, "answers"))
    return sealer.seal(b"n" * NONCE_BYTES, b"", context=f"idempotency/{digest.hex()}")


def by_another_version(digest: bytes) -> bytes:
    answer = msgspec.msgpack.encode({"of": "another form"})
    return SEALER.seal(b"n" * NONCE_BYTES, answer, context=f"idempotency/{digest.hex()}")


@pytest.mark.parametrize("seal", [by_another_secret_key, by_another_version])
async def test_answer_that_cannot_be_read_is_neither_repeated_nor_given_anew(
    admin: Caller, db: asyncpg.Connection, seal: Callable[[bytes], bytes]
) -> None:
    headers, body = keyed(), BODIES[PERMISSIONS]()
    assert (await admin.post(PERMISSIONS, body, headers=headers)).status_code == 201
    stored = "SELECT digest, sealed_answer FROM idempotency_keys ORDER BY created_at DESC LIMIT 1"
    row = await db.fetchrow(stored)
    assert row is not None
    digest = row["digest"]
    # This version opens its own answers by this key and context.
    assert SEALER.unseal(row["sealed_answer"], context=f"idempotency/{digest.hex()}")
    await db.execute("UPDATE idempotency_keys SET sealed_answer = $2 WHERE digest = $1", digest, seal(digest))

    for again in (body, BODIES[PERMISSIONS]()):
        refusal = await admin.post(PERMISSIONS, again, headers=headers)

        assert code_of(refusal, 422) == "idempotency_key_reused"
        assert "another secret key or another version" in refusal.json()["detail"]


@pytest.mark.parametrize(
    ("key", "fault"),
    {"": "pattern", "two words": "pattern", "a\tb": "control_character", "k" * 256: "too_long"}.items(),
    ids=["empty", "space", "tab", "long"],
)
async def test_key_that_is_none_is_refused(admin: Caller, key: str, fault: str) -> None:
    response = await admin.post(PERMISSIONS, BODIES[PERMISSIONS](), headers={"Idempotency-Key": key})

    assert faults_of(response) == {"header/Idempotency-Key": [fault]}


@pytest.mark.parametrize("route", [REGISTER, USERS, PERMISSIONS])
async def test_one_of_many_at_once_creates_and_nobody_hears_anything_else(
    admin: Caller, db: asyncpg.Connection, route: str
) -> None:
    body, headers = BODIES[route](), keyed()

    answers = await asyncio.gather(*(admin.post(route, body, headers=headers) for _ in range(PARALLEL)))

    # A password is hashed for each that came before the first answer, and only so many may wait for that.
    outcomes = Counter(answer.json()["code"] if answer.is_error else "created" for answer in answers)
    assert outcomes.keys() <= {"created", "request_in_progress", "overloaded"}, outcomes
    created = [answer for answer in answers if answer.is_success]
    assert len({answer.content for answer in created}) == 1
    assert Counter(answer.headers["idempotency-replayed"] for answer in created)["false"] == 1
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 409)
    created_id = UUID(created[0].json()["id"])
    assert await db.fetchval("SELECT count(*) FROM audit_events WHERE target_id = $1", created_id) == 1
    assert (await admin.post(route, body, headers=headers)).content == created[0].content


async def test_lost_answer_is_given_again(admin: Caller, service: Service, db: asyncpg.Connection) -> None:
    body, key = BODIES[PERMISSIONS](), str(uuid4())
    address = urlsplit(service.url)
    content = msgspec.json.encode(body)
    head = (
        f"POST {PERMISSIONS} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {admin.access_token}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head.encode() + content)

    async def is_created() -> bool:
        return bool(await db.fetchval("SELECT count(*) FROM permissions WHERE name = $1", body["name"]))

    await eventually(is_created)
    writer.close()
    again = await admin.post(PERMISSIONS, body, headers=keyed(key))

    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true"), again.text
    assert again.json()["name"] == body["name"]
