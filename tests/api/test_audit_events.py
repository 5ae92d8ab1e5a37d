"""Every change and every refusal that matters is on record, and no secret is."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from cms_service.schemas import AuditEventRead
from tests.api import given
from tests.api.credentials import refresh, session_id_of
from tests.api.given import Json
from tests.api.operations import WRITING
from tests.api.problems import code_of
from tests.api.writes import NEW_PASSWORD, WRITES, id_in, operation_id_of
from tests.factories import PASSWORD, RoleCreateFactory, unique
from tests.fixtures import Caller, Register

EVENTS = "/api/v1/audit-events"
MEMBERS = set(AuditEventRead.__struct_fields__)
MOST_SESSIONS = 100
LOOKED_UP = {"actor_type", "actor_name", "target_name", "credential_name", "on_behalf_of_name"}
"""Members that are not in the trail."""
FACTS = MEMBERS - LOOKED_UP - {"id", "at", "request_id"}
"""Columns that do not differ between two runs of the same write."""


async def rows_of(db: asyncpg.Connection, request_id: str) -> list[Json]:
    """Return the committed audit events of the request, in the order in which they were written."""
    rows = await db.fetch("SELECT * FROM audit_events WHERE request_id = $1 ORDER BY id", request_id)
    return [dict(row) | {name: row[name] and json.loads(row[name]) for name in ("before", "after")} for row in rows]


async def facts_of(db: asyncpg.Connection, request_id: str) -> list[Json]:
    """The events of the request without the members that differ in each run, sorted."""
    rows = await rows_of(db, request_id)
    return in_order(
        {name: str(value) if isinstance(value, UUID) else value for name, value in row.items() if name in FACTS}
        for row in rows
    )


def fact(action: str, target_type: str | None = None, target_id: str | None = None, **columns: Any) -> Json:
    """An event as `facts_of` returns it; the columns that are not given are null."""
    shared = {"action": action, "target_type": target_type, "target_id": target_id, "ip": "127.0.0.1"}
    return dict.fromkeys(FACTS) | shared | columns


def in_order(facts: Iterable[Json]) -> list[Json]:
    return sorted(facts, key=lambda each: json.dumps(each, sort_keys=True))


def changed(old: Json | None, new: Json | None) -> Json:
    """`before` and `after` of an event: the members that differ, or all where there is only one state."""
    if old is not None and new is not None:
        names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        old, new = ({name: state[name] for name in names if name in state} for state in (old, new))
    return {"before": old, "after": new}


def test_every_writing_operation_is_among_those_shown_here() -> None:
    assert {operation_id_of(name) for name in WRITES} == {operation.id for operation in WRITING}


@pytest.mark.parametrize("name", WRITES)
async def test_exactly_the_events_of_a_write_are_on_record_when_it_succeeds(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await WRITES[name](admin, register)
    before = [await event.read(admin, db) for event in write.events]
    request_id = unique("request")

    answer = await write.send(request_id)

    assert answer.is_success, answer.text
    made_id = id_in(answer)
    after = [await event.read(admin, db, made_id) for event in write.events]
    assert await facts_of(db, request_id) == in_order(
        fact(
            event.action,
            event.target_type,
            event.target_id or made_id,
            **write.actor,
            **changed(old, new),
        )
        for event, old, new in zip(write.events, before, after, strict=True)
    )
    text = json.dumps([[row["before"], row["after"]] for row in await rows_of(db, request_id)])
    passwords = [PASSWORD, NEW_PASSWORD, write.caller.password]
    marks = ["$argon2", "password", "secret", "cms_r_", "cms_k_", "eyJ"]
    assert [secret for secret in passwords + marks if secret in text] == []


async def test_sessions_that_a_sign_in_ends_are_on_record_when_a_user_has_too_many(
    register: Register, db: asyncpg.Connection
) -> None:
    user = await register()
    await db.execute(
        "INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at) SELECT gen_random_uuid(), $1, "
        "'\\x00', now() + interval '1 day', now() + interval '1 day' FROM generate_series(1, $2)",
        user.id,
        MOST_SESSIONS - 1,
    )
    # One that has ended does not count, and does not end again.
    await db.execute(
        "INSERT INTO refresh_tokens (id, user_id, secret, idle_expires_at, expires_at, last_used_at, revoked_at) "
        "VALUES (gen_random_uuid(), $1, '\\x00', now() + interval '1 day', now() + interval '1 day', "
        "now() - interval '1 hour', now())",
        user.id,
    )
    request_id = unique("request")
    body = {"email": user.email, "password": user.password}
    answer = await user.http.post("/api/v1/auth/login", json=body, headers={"X-Request-ID": request_id})

    assert await facts_of(db, request_id) == in_order(
        fact(action, "session", session_id_of(token), actor_id=user.id)
        for action, token in (
            ("session.opened", answer.json()["access_token"]),
            ("session.ended", user.access_token),
        )
    )


@pytest.mark.parametrize("operation_id", ["createUser", "createRole", "createPermission", "createServiceAccount"])
async def test_nothing_is_on_record_when_the_write_is_refused(
    admin: Caller, register: Register, db: asyncpg.Connection, operation_id: str
) -> None:
    write = await WRITES[operation_id](admin, register)
    assert (await write.send(unique("request"))).status_code == 201
    request_id = unique("request")
    assert (await write.send(request_id)).status_code == 409
    assert await rows_of(db, request_id) == []


async def test_update_is_on_record_with_the_members_that_changed(admin: Caller, db: asyncpg.Connection) -> None:
    user = await given.user(admin)
    path = f"/api/v1/users/{user['id']}"
    request_id = unique("request")
    body = {"display_name": "Countess", "external_id": user["external_id"]}
    await admin.patch(path, body, if_match="*", headers={"X-Request-ID": request_id})
    [row] = await rows_of(db, request_id)
    assert row["before"].keys() == row["after"].keys() == {"display_name", "updated_at", "version"}
    assert (row["before"]["display_name"], row["after"]["display_name"]) == (user["display_name"], "Countess")


@pytest.mark.parametrize("path", ["/api/v1/users/{user}", "/api/v1/users/{user}/roles/{role}"])
async def test_nothing_is_on_record_when_a_write_changes_nothing(
    admin: Caller, db: asyncpg.Connection, path: str
) -> None:
    user, role = await given.user(admin), await given.role(admin)
    await given.assignment(admin, user["id"], role["id"])
    request_id = unique("request")
    method = "PUT" if "{role}" in path else "PATCH"
    url = path.format(user=user["id"], role=role["id"])
    headers = {"X-Request-ID": request_id}
    assert (await admin.request(method, url, json={}, if_match="*", headers=headers)).is_success
    assert await rows_of(db, request_id) == []


async def test_every_assignment_is_on_record_when_roles_are_replaced(admin: Caller, db: asyncpg.Connection) -> None:
    user, first, second = await given.user(admin), await given.role(admin), await given.role(admin)
    await given.assignment(admin, user["id"], first["id"])
    request_id = unique("request")
    body = {"assignments": [{"role_id": second["id"], "scope": "site:blog", "reason": "Blog."}]}
    path = f"/api/v1/users/{user['id']}/roles"
    await admin.put(path, body, if_match="*", headers={"X-Request-ID": request_id})
    rows = {row["action"]: row for row in await rows_of(db, request_id)}
    assert rows.keys() == {"user.role_withdrawn", "user.role_assigned"}
    assert rows["user.role_withdrawn"]["before"]["role"]["id"] == first["id"]
    given_now = rows["user.role_assigned"]["after"]
    assert (given_now["role"]["id"], given_now["scope"], given_now["reason"]) == (second["id"], "site:blog", "Blog.")


@pytest.mark.parametrize("code", ["permission_denied", "escalation_refused"])
async def test_refusal_is_on_record_and_nothing_else_when_something_is_not_permitted(
    admin: Caller, register: Register, db: asyncpg.Connection, code: str
) -> None:
    caller = await given.caller(admin, register, *(["roles:create"] if code == "escalation_refused" else []))
    body = msgspec.to_builtins(RoleCreateFactory.build(permission_ids=[(await given.permission(admin))["id"]]))
    request_id = unique("request")
    response = await caller.post("/api/v1/roles", body, headers={"X-Request-ID": request_id})
    assert code_of(response, 403) == code
    refused = {"code": code, "operation": "POST /api/v1/roles", "detail": response.json()["detail"]}
    session_id = session_id_of(caller.access_token)
    assert await facts_of(db, request_id) == [
        fact("access.refused", actor_id=caller.id, session_id=session_id, after=refused)
    ]
    assert await db.fetchval("SELECT count(*) FROM roles WHERE name = $1", body["name"]) == 0


@pytest.mark.parametrize("is_known", [True, False])
async def test_failed_sign_in_is_on_record_without_what_was_typed(
    admin: Caller, client: httpx.AsyncClient, db: asyncpg.Connection, is_known: bool
) -> None:
    user = await given.user(admin, password=PASSWORD)
    email = user["email"] if is_known else f"{unique('nobody')}@example.org"
    request_id = unique("request")
    body = {"email": email, "password": "typed by mistake"}
    response = await client.post("/api/v1/auth/login", json=body, headers={"X-Request-ID": request_id})
    assert code_of(response, 401) == "invalid_credentials"
    target_id = user["id"] if is_known else None
    assert await facts_of(db, request_id) == [fact("session.login_failed", "user", target_id)]


@pytest.mark.parametrize(
    ("path", "body", "action"),
    [
        (
            "/api/v1/users/me/password",
            {"current_password": "typed by mistake", "new_password": NEW_PASSWORD},
            "user.password_change_failed",
        ),
        ("/api/v1/auth/reauthenticate", {"password": "typed by mistake"}, "user.reauthentication_failed"),
    ],
)
async def test_failure_is_on_record_when_a_user_enters_a_wrong_password(
    register: Register, db: asyncpg.Connection, path: str, body: Json, action: str
) -> None:
    user = await register()
    request_id = unique("request")
    response = await user.post(path, body, headers={"X-Request-ID": request_id})
    assert code_of(response, 401) == "invalid_credentials"
    session_id = session_id_of(user.access_token)
    assert await facts_of(db, request_id) == [fact(action, "user", user.id, actor_id=user.id, session_id=session_id)]


async def test_end_of_the_session_is_on_record_when_a_spent_token_comes_back(
    register: Register, db: asyncpg.Connection
) -> None:
    user = await register()
    token = user.refresh_token
    for _ in range(2):
        token = (await refresh(user.http, token)).json()["refresh_token"]
    request_id = unique("request")
    body = {"refresh_token": user.refresh_token}
    response = await user.http.post("/api/v1/auth/refresh", json=body, headers={"X-Request-ID": request_id})
    assert code_of(response, 401) == "refresh_token_reused"
    session_id = session_id_of(user.access_token)
    assert await facts_of(db, request_id) == [
        fact("session.reuse_detected", "session", session_id, after={"user_id": user.id})
    ]


async def test_events_are_read_with_every_filter(admin: Caller) -> None:
    user = await given.user(admin)
    path = f"/api/v1/users/{user['id']}"
    request_id = unique("request")
    await admin.patch(path, {"display_name": "B"}, if_match="*", headers={"X-Request-ID": request_id})
    await admin.delete(path, if_match="*")

    async def actions(**filters: str) -> list[str]:
        parameters = {"target_id": user["id"]} | filters
        return [event["action"] for event in (await admin.get(EVENTS, params=parameters)).json()["items"]]

    everything = ["user.deleted", "user.updated", "user.created"]
    assert await actions() == everything
    assert await actions(actor_id=admin.id, target_type="user") == everything
    assert await actions(actor_id=user["id"]) == []
    assert await actions(target_type="role") == []
    assert await actions(action="user.updated") == ["user.updated"]
    assert await actions(request_id=request_id) == ["user.updated"]
    [updated] = (await admin.get(EVENTS, params={"request_id": request_id})).json()["items"]
    assert updated.keys() == MEMBERS
    assert await actions(after=updated["at"]) == ["user.deleted"]
    assert await actions(before=updated["at"]) == ["user.created"]
    assert await actions(after=updated["at"], before=updated["at"]) == []


@pytest.mark.parametrize("spelling", ["127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7F00:1"])
async def test_events_are_found_by_the_address_that_they_came_from(admin: Caller, spelling: str) -> None:
    user = await given.user(admin)

    async def actions(ip: str) -> list[str]:
        page = (await admin.get(EVENTS, params={"target_id": user["id"], "ip": ip, "include_total": True})).json()
        assert page["total"] == len(page["items"])
        return [event["action"] for event in page["items"]]

    assert await actions(spelling) == ["user.created"]
    assert await actions("127.0.0.2") == await actions("::1") == []


@pytest.mark.parametrize("spelling", ["2001:db8::ab", "2001:DB8:0:0::00aB", "2001:0db8:0000:0000:0000:0000:0000:00ab"])
async def test_events_are_found_by_an_ipv6_address_in_any_spelling(
    admin: Caller, db: asyncpg.Connection, spelling: str
) -> None:
    action = unique("test")
    await db.execute("INSERT INTO audit_events (id, action, ip) VALUES ($1, $2, '2001:db8::ab')", uuid4(), action)

    found = (await admin.get(EVENTS, params={"action": action, "ip": spelling})).json()["items"]

    assert [event["ip"] for event in found] == ["2001:db8::ab"]


@pytest.mark.parametrize("ip", ["localhost", "198.51.100.256", "198.51.100.0/24", "203.0.113.07"])
async def test_filter_is_refused_when_it_is_no_address(admin: Caller, ip: str) -> None:
    response = await admin.get(EVENTS, params={"ip": ip, "limit": 0})

    assert code_of(response, 400) == "validation_failed"
    faults = [(error["pointer"], error["code"]) for error in response.json()["errors"]]
    assert faults == [("query/ip", "not_an_ip_address"), ("query/limit", "out_of_range")]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_events_are_read_only(admin: Caller, method: str) -> None:
    assert code_of(await admin.request(method, EVENTS), 405) == "method_not_allowed"
