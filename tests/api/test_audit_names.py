"""The trail is read with the present names beside the ids; they are not stored in it."""

import json
from typing import Any, get_args
from uuid import UUID, uuid4

import asyncpg
import pytest

from cms_service.models import TargetType
from cms_service.repositories.audit_names import _NAMES
from tests.api import given
from tests.api.credentials import session_id_of
from tests.api.given import Json
from tests.api.machines import ACCOUNTS, machine
from tests.api.problems import code_of
from tests.api.test_audit_events import EVENTS, LOOKED_UP, MEMBERS, rows_of
from tests.api.writes import WRITES
from tests.factories import unique
from tests.fixtures import Caller, Register

NAME_OF: dict[str, str | None] = {
    "user": "SELECT display_name FROM users WHERE id = $1",
    "service_account": "SELECT name FROM service_accounts WHERE id = $1",
    "api_key": "SELECT name FROM api_keys WHERE id = $1",
    "role": "SELECT name FROM roles WHERE id = $1",
    "permission": "SELECT name FROM permissions WHERE id = $1",
    "session": "SELECT display_name FROM users JOIN refresh_tokens AS own ON user_id = users.id WHERE own.id = $1",
    "token": None,
    "signing_key": None,
}
"""The name of a row, by the type of target that the trail calls it."""
GONE = {"permission.deleted"}
"""Actions that leave no row to take the name from."""


async def name_of(db: asyncpg.Connection, target_type: str, target_id: str) -> str | None:
    query = NAME_OF[target_type]
    return query and await db.fetchval(query, UUID(target_id))


async def events(caller: Caller, **filters: Any) -> list[Json]:
    response = await caller.get(EVENTS, params=filters)
    assert response.status_code == 200, response.text
    return [dict(event) for event in response.json()["items"]]


async def event(caller: Caller, **filters: Any) -> Json:
    (only,) = await events(caller, **filters)
    return only


def test_every_type_of_target_has_a_look_up_or_is_known_to_have_no_name() -> None:
    assert _NAMES.keys() == NAME_OF.keys() == set(get_args(TargetType))
    assert {kind for kind, names in _NAMES.items() if names is None} == {
        kind for kind, query in NAME_OF.items() if query is None
    }


@pytest.mark.parametrize("name", WRITES)
async def test_names_stand_beside_the_ids_of_every_event_that_a_write_leaves(
    admin: Caller, register: Register, db: asyncpg.Connection, name: str
) -> None:
    write = await WRITES[name](admin, register)
    request_id = unique("request")
    assert (await write.send(request_id)).is_success

    found = await events(admin, request_id=request_id)

    assert len(found) == len(write.events)
    for each in found:
        target_name = await name_of(db, each["target_type"], each["target_id"])
        assert each["target_name"] == target_name
        assert (target_name is None) is (NAME_OF[each["target_type"]] is None or each["action"] in GONE)
        actor_type = each["actor_id"] and ("service_account" if each["credential_id"] else "user")
        assert each["actor_type"] == actor_type
        assert each["actor_name"] == (actor_type and await name_of(db, actor_type, each["actor_id"]))
        key_name = each["credential_id"] and await name_of(db, "api_key", each["credential_id"])
        assert each["credential_name"] == key_name
        assert each["on_behalf_of_name"] is None


async def test_machine_its_key_and_the_user_are_named_when_one_acts_for_a_user(
    admin: Caller, register: Register
) -> None:
    user = await register(display_name="Grace Hopper")
    deputy = await machine(admin, name="nightly")
    body = {"display_name": "Rear Admiral"}
    headers = {"Authorization": f"Bearer {deputy.key}", "X-On-Behalf-Of": user.access_token, "If-Match": "*"}
    assert (await user.http.patch("/api/v1/users/me", json=body, headers=headers)).is_success

    found = await event(admin, on_behalf_of=user.id)

    assert (found["actor_type"], found["actor_name"]) == ("service_account", deputy.name)
    assert found["credential_name"] == "nightly"
    assert found["on_behalf_of_name"] == found["target_name"] == "Rear Admiral"


async def test_present_names_are_shown_when_things_were_renamed(admin: Caller, register: Register) -> None:
    actor = await given.caller(admin, register, "roles:create", "roles:read", "service_accounts:manage")
    role = await given.role(actor)
    account = (await actor.post(ACCOUNTS, {"name": unique("machine")})).json()
    names = {role["id"]: unique("editor"), account["id"]: unique("robot")}
    await admin.patch(f"/api/v1/roles/{role['id']}", {"name": names[role["id"]]}, if_match="*")
    await admin.patch(f"{ACCOUNTS}/{account['id']}", {"name": names[account["id"]]}, if_match="*")
    await admin.patch(f"/api/v1/users/{actor.id}", {"display_name": "Countess"}, if_match="*")

    for target_id, name in names.items():
        renamed, created = await events(admin, target_id=target_id)
        assert renamed["target_name"] == created["target_name"] == name
        assert created["actor_name"] == "Countess"
    opened = await event(admin, target_id=session_id_of(actor.access_token))
    assert (opened["target_type"], opened["target_name"]) == ("session", "Countess")


async def test_deleted_accounts_keep_their_names_until_they_are_erased(
    admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    user, robot = await register(display_name="Ada Byron"), await machine(admin)
    assert (await admin.delete(f"/api/v1/users/{user.id}", if_match="*")).is_success
    assert (await admin.delete(robot.path, if_match="*")).is_success

    async def named() -> list[tuple[Any, ...]]:
        own = await events(admin, actor_id=user.id, action="session.opened")
        others = await events(admin, target_id=robot.id)
        return [*((one["actor_type"], one["actor_name"]) for one in own), *((one["target_name"],) for one in others)]

    assert set(await named()) == {("user", "Ada Byron"), (robot.name,)}

    await db.execute("UPDATE users SET display_name = 'Erased' WHERE id = $1", UUID(user.id))
    assert set(await named()) == {("user", "Erased"), (robot.name,)}

    await db.execute("DELETE FROM users WHERE id = $1", UUID(user.id))
    await db.execute("DELETE FROM service_accounts WHERE id = $1", UUID(robot.id))
    assert set(await named()) == {(None, None), (None,)}


@pytest.mark.parametrize("target_type", [*NAME_OF, "of_a_later_version", None])
async def test_names_are_null_when_nothing_has_the_ids(
    admin: Caller, db: asyncpg.Connection, target_type: str | None
) -> None:
    action = unique("test")
    await db.execute(
        "INSERT INTO audit_events (id, action, actor_id, target_type, target_id, credential_id, on_behalf_of) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        uuid4(),
        action,
        uuid4(),
        target_type,
        uuid4(),
        uuid4(),
        uuid4(),
    )

    found = await event(admin, action=action)

    assert {name: found[name] for name in LOOKED_UP} == dict.fromkeys(LOOKED_UP)


async def test_name_belongs_to_the_type_of_the_target(admin: Caller, db: asyncpg.Connection) -> None:
    role, action = await given.role(admin), unique("test")
    await db.execute(
        "INSERT INTO audit_events (id, action, target_type, target_id) VALUES ($1, $2, 'user', $3)",
        uuid4(),
        action,
        UUID(role["id"]),
    )

    assert (await event(admin, action=action))["target_name"] is None


async def test_names_of_others_are_shown_to_readers_who_may_not_list_them(admin: Caller, register: Register) -> None:
    reader = await given.caller(admin, register, "audit:read")
    for path in ("/api/v1/users", "/api/v1/roles", ACCOUNTS):
        assert code_of(await reader.get(path), 403) == "permission_denied"
    user, role = await given.user(admin), await given.role(admin)
    await given.assignment(admin, user["id"], role["id"])

    (assigned, _) = await events(reader, target_id=user["id"])

    assert (assigned["actor_id"], assigned["actor_name"]) == (admin.id, admin.user["display_name"])
    assert assigned["target_name"] == user["display_name"]
    assert user["email"] not in json.dumps(assigned)


async def test_names_beside_the_ids_are_not_stored_in_the_trail(
    admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    user, robot = await register(display_name=unique("Somebody")), await machine(admin, name=unique("key"))
    request_id = unique("request")
    headers = {"Authorization": f"Bearer {robot.key}", "X-On-Behalf-Of": user.access_token, "X-Request-ID": request_id}
    assert (await user.http.delete("/api/v1/users/me/sessions", headers=headers)).is_success

    found = await event(admin, request_id=request_id)
    (row,) = await rows_of(db, request_id)

    names = {found[name] for name in LOOKED_UP - {"actor_type"}}
    assert names == {user.user["display_name"], robot.name, found["credential_name"]}
    assert row.keys() == MEMBERS - LOOKED_UP
    assert [name for name in names if name in str(row)] == []
