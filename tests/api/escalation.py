"""Who holds what in a small world in which somebody tries to gain more: the rules word by word, in SQL of their own."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import msgspec

from tests.api import given as made
from tests.api.machines import Machine, account, machine
from tests.factories import unique, unique_email
from tests.fixtures import Caller, Register

POWERS = [
    *(f"users:{action}" for action in ("create", "update", "delete", "restore", "assign_roles")),
    *(f"roles:{action}" for action in ("create", "update", "delete")),
    *(f"permissions:{action}" for action in ("create", "update", "delete")),
    "service_accounts:manage",
]
"""What the routes ask for. The actor holds it for ever, so that only what is given decides."""
ROLES, USERS, ROBOTS, NAMES = 4, 3, 2, 5
NEVER, ALWAYS = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
LATER = datetime(2997, 1, 1, tzinfo=UTC)

HELD = """
WITH RECURSIVE assigned AS (
    SELECT user_id AS account_id, role_id, scope, not_before, expires_at FROM user_roles WHERE user_id = ANY($1)
    UNION ALL
    SELECT service_account_id, role_id, scope, not_before, expires_at
    FROM service_account_roles WHERE service_account_id = ANY($1)
),
reached AS (
    SELECT * FROM assigned
    UNION
    SELECT account_id, parent_id, scope, not_before, expires_at
    FROM reached JOIN role_inheritance USING (role_id)
)
SELECT account_id, permissions.name, scope, not_before, expires_at
FROM reached JOIN roles ON roles.id = role_id AND deleted_at IS NULL
JOIN role_permissions USING (role_id) JOIN permissions ON permissions.id = permission_id
"""
ACCOUNT_STATES = """
SELECT id, is_active AND deleted_at IS NULL AS is_live, row(email, is_active, deleted_at, password_hash)::text AS state
FROM users WHERE id = ANY($1)
UNION ALL
SELECT id, is_active AND deleted_at IS NULL, concat(
    row(name, is_active, deleted_at),
    (SELECT array_agg(row(k.id, k.permissions, k.revoked_at) ORDER BY k.id) FROM api_keys k
     WHERE k.service_account_id = a.id),
    (SELECT array_agg(row(r.role_id, r.scope, r.not_before, r.expires_at) ORDER BY r.id) FROM service_account_roles r
     WHERE r.service_account_id = a.id)
)
FROM service_accounts a WHERE id = ANY($1)
"""


class Held(NamedTuple):
    """A permission, where, from when and until when."""

    name: str
    scope: str | None
    begins: datetime
    ends: datetime


class Cast(msgspec.Struct, frozen=True):
    """The actor, and whom and what it acts on; a world begins with these."""

    actor: Caller
    deputy: Machine
    """A machine of the actor's, which may do nothing itself."""
    names: list[str]
    role_ids: list[str]
    user_ids: list[str]
    """The actor, another user, and one who is deleted."""
    robot_ids: list[str]
    """Service accounts, which may do what the routes ask for."""
    base_id: str
    """The role with the powers."""


class Ledger(msgspec.Struct, frozen=True):
    """All accounts of a world at one moment."""

    held: dict[str, set[Held]]
    """What each gives whoever holds it, now or later, even if it is asleep or deleted."""
    live: set[str]
    states: dict[str, str]
    """Whether it is active, its address, its keys; the assignments of service accounts too."""

    def effective(self, account_id: str) -> set[Held]:
        return self.held.get(account_id, set()) if account_id in self.live else set()


async def make_cast(admin: Caller, register: Register) -> Cast:
    resource = unique("articles")
    actor, base = await register(), await made.role(admin, *POWERS)
    robots = [(await account(admin))["id"] for _ in range(ROBOTS)]
    await made.assignment(admin, actor.id, base["id"])
    return Cast(
        actor,
        await machine(admin),
        [f"{resource}:read", f"{resource}:publish", f"{resource}:*", f"{unique('media')}:read", "*:*"],
        [(await made.role(admin))["id"] for _ in range(ROLES)],
        [actor.id, (await made.user(admin))["id"], (await made.user(admin))["id"]],
        robots,
        base["id"],
    )


async def set_up(db: asyncpg.Connection, cast: Cast, world: dict[str, Any]) -> list[str]:
    """Straight in the database: nobody has to be allowed to. Returns the ids of the permissions."""
    users, robots, roles = cast.user_ids, cast.robot_ids, cast.role_ids
    for table, owner, ids in (
        ("user_roles", "user_id", users),
        ("service_account_roles", "service_account_id", robots),
    ):
        await db.execute(f"DELETE FROM {table} WHERE {owner} = ANY($1) AND role_id <> $2", ids, cast.base_id)  # noqa: S608
    await db.executemany(
        "INSERT INTO service_account_roles (id, service_account_id, role_id) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING",
        [(uuid4(), robot_id, cast.base_id) for robot_id in robots],
    )
    await db.execute("DELETE FROM role_permissions WHERE role_id = ANY($1)", roles)
    await db.execute("DELETE FROM role_inheritance WHERE role_id = ANY($1) OR parent_id = ANY($1)", roles)
    await db.execute("UPDATE roles SET deleted_at = NULL WHERE id = ANY($1)", roles)
    await db.execute("UPDATE users SET is_active = true, deleted_at = NULL WHERE id = ANY($1)", users[:2])
    await db.execute("UPDATE users SET deleted_at = now(), email = $2 WHERE id = $1", users[2], unique_email())
    await db.execute("UPDATE service_accounts SET is_active = true, deleted_at = NULL WHERE id = ANY($1)", robots)
    await db.execute("DELETE FROM api_keys WHERE service_account_id = ANY($1)", robots)
    await db.executemany(
        "INSERT INTO api_keys (id, service_account_id, name, digest, expires_at) VALUES ($1, $2, 'old', $3, $4)",
        [(uuid4(), robot_id, uuid4().bytes, LATER) for robot_id in robots],
    )
    await db.executemany(
        "INSERT INTO permissions (id, name, description) VALUES ($1, $2, '') ON CONFLICT (name) DO NOTHING",
        [(uuid4(), name) for name in cast.names],
    )
    found = {row["name"]: str(row["id"]) for row in await db.fetch("SELECT id, name FROM permissions")}
    permissions = [found[name] for name in cast.names]
    await db.executemany(
        "INSERT INTO role_permissions (role_id, permission_id) VALUES ($1, $2)",
        [(roles[n], permissions[each]) for n, held in enumerate(world["permissions"]) for each in held],
    )
    await db.executemany(
        "INSERT INTO role_inheritance (role_id, parent_id) VALUES ($1, $2)",
        [(roles[high], roles[low]) for low, high in world["links"]],
    )
    for table, owner, ids, assigned in (
        ("user_roles", "user_id", users, world["users"]),
        ("service_account_roles", "service_account_id", robots, world["robots"]),
    ):
        await db.executemany(
            f"INSERT INTO {table} (id, {owner}, role_id, scope, expires_at, not_before) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            [
                (uuid4(), account_id, roles[role], scope, until, LATER if is_later else None)
                for account_id, items in zip(ids, assigned, strict=True)
                for role, scope, until, is_later in items
            ],
        )
    return permissions


async def read_ledger(db: asyncpg.Connection, account_ids: Sequence[str]) -> Ledger:
    held: dict[str, set[Held]] = {}
    for row in await db.fetch(HELD, account_ids):
        grant = Held(row["name"], row["scope"], row["not_before"] or ALWAYS, row["expires_at"] or NEVER)
        held.setdefault(str(row["account_id"]), set()).add(grant)
    states = await db.fetch(ACCOUNT_STATES, account_ids)
    live = {str(row["id"]) for row in states if row["is_live"]}
    return Ledger(held, live, {str(row["id"]): row["state"] for row in states})


def in_force(held: Iterable[Held]) -> set[Held]:
    return {each for each in held if each.begins < LATER}


def implies(held: str, name: str) -> bool:
    return all(have in {"*", want} for have, want in zip(held.split(":"), name.split(":"), strict=True))


def exceeding(grants: Iterable[Held], held: Iterable[Held]) -> set[Held]:
    """Those of the grants that nothing of what is held covers."""
    held = list(held)
    return {
        grant
        for grant in grants
        if not any(
            implies(each.name, grant.name)
            and each.scope in {None, grant.scope}
            and each.begins <= grant.begins
            and grant.ends <= each.ends
            for each in held
        )
    }
