"""Whatever a limited actor tries, nobody comes to hold what it did not hold, nor for longer than it did."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import given as made
from tests.factories import RoleCreateFactory, unique
from tests.fixtures import Caller, Register

POWERS = ["users:assign_roles", "users:restore", "users:update", "roles:create", "roles:update"]
"""What the routes ask for. The actor holds it for ever, so that only what is given decides."""
TIMES = [None, datetime(2998, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)]
SCOPES = [None, "site:blog", "site:news"]
ROLES, USERS, NAMES = 4, 3, 5

Held: TypeAlias = tuple[str, str | None, datetime]
"""A permission, where, and until when."""


class Cast(msgspec.Struct, frozen=True):
    """The actor, and whom and what it acts on."""

    actor: Caller
    names: list[str]
    permission_ids: list[str]
    role_ids: list[str]
    user_ids: list[str]
    """The actor, another user, and one who is deleted."""


Assigned = st.tuples(st.integers(0, ROLES - 1), st.sampled_from(SCOPES), st.sampled_from(TIMES), st.booleans())
"""Role, scope, end, and whether it begins only later."""
Permissions = st.sets(st.integers(0, NAMES - 1), min_size=1, max_size=2)
Parents = st.sets(st.integers(0, ROLES - 1), min_size=1, max_size=2)
Role, User = st.integers(0, ROLES - 1), st.integers(0, USERS - 1)
Worlds = st.fixed_dictionaries(
    {
        "permissions": st.lists(Permissions, min_size=ROLES, max_size=ROLES),
        "links": st.sets(st.sampled_from([(low, high) for high in range(ROLES) for low in range(high)]), max_size=3),
        "assigned": st.tuples(*(st.lists(Assigned, min_size=least, max_size=3) for least in (2, 0, 1))),
    }
)
Attempts = st.lists(
    st.one_of(
        st.tuples(st.just("create_role"), Permissions, Parents, User),
        st.tuples(st.just("put_permissions"), Role, Permissions),
        st.tuples(st.just("grant"), Role, st.integers(0, NAMES - 1)),
        st.tuples(st.just("put_parents"), Role, Parents),
        st.tuples(st.just("assign"), User, Assigned),
        st.tuples(st.just("assign"), st.just(1), Assigned),
        st.tuples(st.just("replace"), User, st.lists(Assigned, max_size=2)),
        st.tuples(st.just("restore")),
    ),
    min_size=5,
    max_size=8,
)


@pytest.fixture(scope="module")
async def cast(admin: Caller, register: Register) -> Cast:
    resource = unique("articles")
    names = [f"{resource}:read", f"{resource}:publish", f"{resource}:*", f"{unique('media')}:read", "*:*"]
    actor = await made.caller(admin, register, *POWERS)
    other, deleted = await made.user(admin), await made.user(admin)
    return Cast(
        actor,
        names,
        await made.permission_ids(admin, names),
        [(await made.role(admin))["id"] for _ in range(ROLES)],
        [actor.id, other["id"], deleted["id"]],
    )


async def set_up(db: asyncpg.Connection, cast: Cast, world: dict[str, Any]) -> None:
    """Straight in the database: nobody has to be allowed to."""
    users, roles = cast.user_ids, cast.role_ids
    base = "SELECT rp.role_id FROM role_permissions rp JOIN permissions p ON p.id = permission_id WHERE p.name = $2"
    await db.execute(f"DELETE FROM user_roles WHERE user_id = ANY($1) AND role_id NOT IN ({base})", users, POWERS[0])  # noqa: S608
    await db.execute("DELETE FROM role_permissions WHERE role_id = ANY($1)", roles)
    await db.execute("DELETE FROM role_inheritance WHERE role_id = ANY($1) OR parent_id = ANY($1)", roles)
    await db.execute("UPDATE users SET deleted_at = now() WHERE id = $1", users[2])
    for role_id, held in zip(roles, world["permissions"], strict=True):
        for number in held:
            await db.execute("INSERT INTO role_permissions VALUES ($1, $2)", role_id, cast.permission_ids[number])
    for low, high in world["links"]:
        await db.execute("INSERT INTO role_inheritance VALUES ($1, $2)", roles[high], roles[low])
    for user_id, assigned in zip(users, world["assigned"], strict=True):
        for number, scope, until, is_later in assigned:
            await db.execute(
                "INSERT INTO user_roles (id, user_id, role_id, scope, expires_at, not_before) "
                "VALUES (gen_random_uuid(), $1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                *(user_id, roles[number], scope, until, datetime(2997, 1, 1, tzinfo=UTC) if is_later else None),
            )


async def held_by(db: asyncpg.Connection, user_id: str, *, is_now: bool) -> set[Held]:
    """What a live user holds, now or at some time: the rules word by word, role by role."""
    parents: dict[UUID, set[UUID]] = {}
    for row in await db.fetch("SELECT role_id, parent_id FROM role_inheritance"):
        parents.setdefault(row["role_id"], set()).add(row["parent_id"])
    own: dict[UUID, set[str]] = {}
    for row in await db.fetch("SELECT role_id, name FROM role_permissions JOIN permissions p ON p.id = permission_id"):
        own.setdefault(row["role_id"], set()).add(row["name"])

    def lineage(role_id: UUID) -> Iterator[UUID]:
        yield role_id
        for parent_id in parents.get(role_id, ()):
            yield from lineage(parent_id)

    rows = await db.fetch(
        "SELECT ur.* FROM user_roles ur JOIN users u ON u.id = user_id WHERE user_id = $1 AND u.deleted_at IS NULL "
        "AND (NOT $2 OR coalesce(not_before <= now(), true))",
        user_id,
        is_now,
    )
    never = datetime.max.replace(tzinfo=UTC)
    return {
        (name, row["scope"], row["expires_at"] or never)
        for row in rows
        for role_id in lineage(row["role_id"])
        for name in own.get(role_id, ())
    }


def is_covered(grant: Held, by: Iterable[Held]) -> bool:
    name, scope, until = grant
    resource, action = name.split(":")
    return any(
        held.split(":")[0] in {resource, "*"}
        and held.split(":")[1] in {action, "*"}
        and where in {None, scope}
        and until <= end
        for held, where, end in by
    )


async def attempt(cast: Cast, what: str, *arguments: Any) -> None:
    actor, roles, permissions = cast.actor, cast.role_ids, cast.permission_ids

    def terms(assigned: Any) -> made.Json:
        number, scope, until, is_later = assigned
        begins = {"not_before": "2997-01-01T00:00:00Z"} if is_later else {}
        return {"role_id": roles[number], "scope": scope, "expires_at": until and until.isoformat()} | begins

    match what, *arguments:
        case "create_role", held, parents, user:
            ids = {
                "permission_ids": [permissions[each] for each in held],
                "parent_ids": [roles[each] for each in parents],
            }
            response = await actor.post("/api/v1/roles", msgspec.to_builtins(RoleCreateFactory.build(**ids)))
            if response.is_success:
                await actor.put(f"/api/v1/users/{cast.user_ids[user]}/roles/{response.json()['id']}")
        case "put_permissions", role, held:
            body = {"permission_ids": [permissions[each] for each in held]}
            response = await actor.put(f"/api/v1/roles/{roles[role]}/permissions", body, if_match="*")
        case "grant", role, number:
            response = await actor.put(f"/api/v1/roles/{roles[role]}/permissions/{permissions[number]}")
        case "put_parents", role, parents:
            body = {"parent_ids": [roles[each] for each in parents]}
            response = await actor.put(f"/api/v1/roles/{roles[role]}/parents", body, if_match="*")
        case "assign", user, assigned:
            path = f"/api/v1/users/{cast.user_ids[user]}/roles/{roles[assigned[0]]}"
            response = await actor.put(path, terms(assigned))
        case "replace", user, items:
            body = {"assignments": [terms(each) for each in items]}
            # Without its powers the actor would try nothing any more.
            user = user or 1
            response = await actor.put(f"/api/v1/users/{cast.user_ids[user]}/roles", body, if_match="*")
        case _:
            response = await actor.post(f"/api/v1/users/{cast.user_ids[2]}/restore")
    assert response.status_code in {200, 201, 400, 403, 404, 409}, response.text


@given(world=Worlds, attempts=Attempts)
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nobody_comes_to_hold_what_the_actor_did_not(
    cast: Cast, db: asyncpg.Connection, world: dict[str, Any], attempts: list[Any]
) -> None:
    await set_up(db, cast, world)
    powers = await held_by(db, cast.actor.id, is_now=True)
    before = {user_id: await held_by(db, user_id, is_now=False) for user_id in cast.user_ids}
    for each in attempts:
        await attempt(cast, *each)
    for user_id in cast.user_ids:
        for grant in await held_by(db, user_id, is_now=False) - before[user_id]:
            assert is_covered(grant, powers) or is_covered(grant, before[user_id]), (user_id, grant)
