"""Databases in which every user has as much as in the others: only the numbers of users and roles differ."""

import asyncio
from uuid import UUID

import msgspec

from tests.benchmarks.database import add_database, copy_users, filling

FAMILY = 10
"""Roles that inherit from each other; each holds five permissions. A user has three roles of one family, and through
them all ten, nine generations deep, with all fifty permissions."""
PERMISSIONS_EACH = 5
HELD_POSITIONS = [9, 7, 5]

ADD_PERMISSIONS = """
INSERT INTO permissions (id, name, description)
SELECT gen_random_uuid(), 'papers:act-' || number, '' FROM generate_series(0, $1 - 1) AS number
"""
ADD_ROLES = """
CREATE TEMPORARY TABLE numbered AS
SELECT gen_random_uuid() AS id, number, number % $2 AS position, number / $2 AS family
FROM generate_series(0, $1 - 1) AS number
"""
KEEP_ROLES = """
INSERT INTO roles (id, name, title, description)
SELECT id, 'role-' || number, 'Role ' || number, '' FROM numbered
"""
# The one before it in its family, and every second also the one before that.
ADD_PARENTS = """
INSERT INTO role_inheritance (role_id, parent_id)
SELECT role.id, parent.id
FROM numbered AS role JOIN numbered AS parent ON parent.family = role.family
WHERE parent.position = role.position - 1 OR role.position % 2 = 0 AND parent.position = role.position - 2
"""
ADD_GRANTS = """
INSERT INTO role_permissions (role_id, permission_id)
SELECT numbered.id, permissions.id
FROM numbered
CROSS JOIN generate_series(0, $1 - 1) AS one
JOIN permissions ON permissions.name = 'papers:act-' || (numbered.position * $1 + one)
"""
ADD_ASSIGNMENTS = """
INSERT INTO user_roles (id, user_id, role_id)
SELECT gen_random_uuid(), account.id, numbered.id
FROM unnest($1::uuid[]) WITH ORDINALITY AS account (id, number)
JOIN numbered ON numbered.family = account.number % $2 AND numbered.position = ANY ($3::int[])
"""
SELECT_LAST_ROLE = (
    "SELECT role_id FROM user_roles JOIN numbered ON numbered.id = role_id WHERE user_id = $1 AND position = 9"
)

SELECT_FIRST_ROLE = """
SELECT numbered.id AS role_id, permissions.id AS permission_id
FROM numbered, permissions
WHERE numbered.family = 0 AND numbered.position = 0 AND permissions.name = 'papers:act-0'
"""


class Population(msgspec.Struct, frozen=True):
    """A database, and users of it that may `papers:act-49`."""

    url: str
    user_ids: list[UUID]
    role_id: UUID
    """The only role by which the first user may."""
    inherited_role_id: UUID
    """Nobody was given it; a family of roles inherits it, which are all that there are if there are ten."""
    inherited_permission_id: UUID
    """Those hold it by that role only."""


def populate(beside: str, name: str, user_count: int, role_count: int) -> Population:
    """A database of its own on the same server."""
    url = add_database(beside, name)
    return asyncio.run(_fill(url, user_count, role_count))


def question(user_id: UUID) -> dict[str, dict[str, str]]:
    """Every user of a population may."""
    return {
        "subject": {"type": "user", "id": str(user_id)},
        "action": {"name": "act-49"},
        "resource": {"type": "papers", "id": "1"},
    }


async def _fill(url: str, user_count: int, role_count: int) -> Population:
    async with filling(url) as connection:
        user_ids = await copy_users(connection, user_count)
        await connection.execute(ADD_PERMISSIONS, FAMILY * PERMISSIONS_EACH)
        await connection.execute(ADD_ROLES, role_count, FAMILY)
        await connection.execute(KEEP_ROLES)
        await connection.execute(ADD_PARENTS)
        await connection.execute(ADD_GRANTS, PERMISSIONS_EACH)
        await connection.execute(ADD_ASSIGNMENTS, user_ids, role_count // FAMILY, HELD_POSITIONS)
        role_id = await connection.fetchval(SELECT_LAST_ROLE, user_ids[0])
        [first] = await connection.fetch(SELECT_FIRST_ROLE)
    return Population(url, user_ids, role_id, first["role_id"], first["permission_id"])
