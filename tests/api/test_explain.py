"""Why a subject may or may not: always the decision that evaluation makes, and all that it rests on."""

import random
from itertools import pairwise
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.api import given
from tests.fixtures import Caller

EXPLAIN, EVALUATION = "/api/v1/access/explain", "/api/v1/access/evaluation"
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def new_kind() -> str:
    return f"page{uuid4().hex[:8]}"


async def inherit(admin: Caller, role: given.Json, *parents: given.Json) -> None:
    body = {"parent_ids": [parent["id"] for parent in parents]}
    assert (await admin.put(f"/api/v1/roles/{role['id']}/parents", body, if_match="*")).is_success


async def explain(admin: Caller, user_id: str, kind: str, action: str = "edit", **resource: Any) -> dict[str, Any]:
    """The explanation, with which the evaluation agrees."""
    question = {
        "subject": {"type": "user", "id": user_id},
        "action": {"name": action},
        "resource": {"type": kind, "id": "1"} | resource,
    }
    response = await admin.post(EXPLAIN, question)
    assert response.status_code == 200, response.text
    explanation: dict[str, Any] = response.json()
    assert (await admin.post(EVALUATION, question)).json() == {"decision": explanation["decision"]}
    assert explanation["decision"] is bool(explanation["paths"]) is not bool(explanation["reasons"])
    return explanation


def ways(explanation: dict[str, Any]) -> list[tuple[str | None, list[str], str]]:
    """Scope, names of roles and permission of each path."""
    return [
        (path["assignment"]["scope"], [role["name"] for role in path["roles"]], path["permission"]["name"])
        for path in explanation["paths"]
    ]


async def test_every_way_is_told_from_the_assignment_to_the_permission(admin: Caller) -> None:
    kind = new_kind()
    top, wild = await given.role(admin, f"{kind}:edit"), await given.role(admin, f"{kind}:*")
    left, right, base = [await given.role(admin) for _ in range(3)]
    user = await given.user(admin)
    await inherit(admin, left, top)
    await inherit(admin, right, top, wild)
    await inherit(admin, base, left, right)
    await given.assignment(admin, user["id"], base["id"], reason="Stands in.", expires_at=FUTURE)
    await given.assignment(admin, user["id"], wild["id"], scope=f"{kind}:1")
    await given.assignment(admin, user["id"], top["id"], scope=f"{kind}:2")

    explanation = await explain(admin, user["id"], kind)

    assert (explanation["subject_id"], explanation["permission"]) == (user["id"], f"{kind}:edit")
    assert (explanation["is_permission_defined"], explanation["has_more"]) == (True, False)
    assert explanation["scopes"] == [f"{kind}:1"]
    shortest = min(left["name"], right["name"])
    assert sorted(ways(explanation), key=str) == sorted(
        [
            (None, [base["name"], shortest, top["name"]], f"{kind}:edit"),
            (None, [base["name"], right["name"], wild["name"]], f"{kind}:*"),
            (f"{kind}:1", [wild["name"]], f"{kind}:*"),
        ],
        key=str,
    )
    told = next(path["assignment"] for path in explanation["paths"] if path["assignment"]["scope"] is None)
    assert (told["reason"], told["expires_at"], told["granted_by"]) == ("Stands in.", FUTURE, admin.id)
    assert told["granted_at"]


async def test_denial_tells_what_is_in_the_way_the_nearest_first(admin: Caller) -> None:
    kind = new_kind()
    top, role = await given.role(admin, f"{kind}:edit"), await given.role(admin)
    await inherit(admin, role, top)
    user = await given.user(admin)

    async def reasons(action: str = "edit", user_id: str = user["id"]) -> list[tuple[str, str | None]]:
        told = (await explain(admin, user_id, kind, action))["reasons"]
        assert all(reason["detail"] for reason in told)
        return [(reason["code"], reason["path"] and reason["path"]["assignment"]["scope"]) for reason in told]

    assert await reasons() == [("permission_not_held", None)]
    assert await reasons("no_such") == [("unknown_permission", None)]
    assert await reasons(user_id="nobody") == [("unknown_subject", None)]
    assert await reasons("no_such", str(uuid4())) == [("unknown_subject", None), ("unknown_permission", None)]
    await given.assignment(admin, user["id"], role["id"], scope=f"{kind}:2", expires_at=PAST)
    assert await reasons() == [("assignment_expired", f"{kind}:2"), ("other_scope", f"{kind}:2")]
    await given.assignment(admin, user["id"], role["id"], scope=f"{kind}:3")
    assert (await reasons())[0] == ("other_scope", f"{kind}:3")
    await given.assignment(admin, user["id"], top["id"], not_before=FUTURE)
    told = (await explain(admin, user["id"], kind))["reasons"]
    assert {reason["code"] for reason in told[:2]} == {"other_scope", "assignment_not_yet_effective"}
    assert any("2999-01-01" in reason["detail"] for reason in told)
    assert ["2001-01-01" in reason["detail"] for reason in told].count(True) == 1

    path = f"/api/v1/users/{user['id']}"
    await given.assignment(admin, user["id"], top["id"])
    assert await reasons() == []
    assert (await admin.patch(path, {"is_active": False}, if_match="*")).is_success
    assert await reasons() == [("inactive_subject", None)]
    assert (await admin.delete(path, if_match="*")).is_success
    assert await reasons() == [("deleted_subject", None)]


async def test_big_graph_does_not_explode(admin: Caller, db: asyncpg.Connection) -> None:
    # Twelve layers of ten roles that each inherit all of the next: a million million ways.
    kind = new_kind()
    permission, user = await given.permission(admin, f"{kind}:edit"), await given.user(admin)
    async with db.transaction():
        rows = await db.fetch(
            "INSERT INTO roles (id, name, title, description) SELECT gen_random_uuid(), $1 || '-' || i, 'x', '' "
            "FROM generate_series(0, 119) i RETURNING id",
            kind,
        )
        layers = [[row["id"] for row in rows[start : start + 10]] for start in range(0, 120, 10)]
        pairs = [(low, high) for one, two in pairwise(layers) for low in one for high in two]
        await db.executemany("INSERT INTO role_inheritance (role_id, parent_id) VALUES ($1, $2)", pairs)
        held = [(role_id, permission["id"]) for layer in layers[1:] for role_id in layer]
        await db.executemany("INSERT INTO role_permissions (role_id, permission_id) VALUES ($1, $2)", held)
        assigned = [(user["id"], role_id) for role_id in layers[0]]
        statement = "INSERT INTO user_roles (id, user_id, role_id) VALUES (gen_random_uuid(), $1, $2)"
        await db.executemany(statement, assigned)
    question = {"subject": {"type": "user", "id": user["id"]}, "action": {"name": "edit"}}
    explanation = (await admin.post(EXPLAIN, question | {"resource": {"type": kind, "id": "1"}})).json()
    assert (explanation["decision"], len(explanation["paths"]), explanation["has_more"]) == (True, 100, True)


async def test_explanation_agrees_with_evaluation_whatever_is_granted(admin: Caller) -> None:
    chance = random.Random(1)  # noqa: S311 - a test that can be repeated
    kind = new_kind()
    names = (f"{kind}:edit", f"{kind}:*", f"{kind}:read")
    roles = [await given.role(admin, *chance.sample(names, chance.randint(0, 1))) for _ in range(6)]
    for index, role in enumerate(roles[:-1]):
        above = roles[index + 1 :]
        await inherit(admin, role, *chance.sample(above, chance.randint(0, min(2, len(above)))))
    decisions = set()
    for _ in range(12):
        user = await given.user(admin)
        for role in chance.sample(roles, 2):
            terms = chance.choice(({}, {"expires_at": PAST}, {"not_before": FUTURE}, {"scope": f"{kind}:1"}))
            await given.assignment(admin, user["id"], role["id"], **terms)
        for properties in ({}, {"scopes": [f"{kind}:1"]}):
            told = await explain(admin, user["id"], kind, chance.choice(("edit", "read", "no")), properties=properties)
            decisions.add(told["decision"])
    assert decisions == {True, False}


@pytest.mark.parametrize(("roles", "has_more"), [(99, False), (100, False), (101, True)])
@pytest.mark.parametrize("scope", [None, "site:elsewhere"])
async def test_hundred_paths_or_reasons_are_told(
    admin: Caller, db: asyncpg.Connection, scope: str | None, roles: int, has_more: bool
) -> None:
    kind = new_kind()
    permission, user = await given.permission(admin, f"{kind}:edit"), await given.user(admin)
    await db.execute(
        """
        WITH made AS (
            INSERT INTO roles (id, name, title, description)
            SELECT gen_random_uuid(), $1 || '-' || n, 'x', '' FROM generate_series(1, $2) n RETURNING id
        ), held AS (
            INSERT INTO role_permissions (role_id, permission_id) SELECT id, $3 FROM made
        )
        INSERT INTO user_roles (id, user_id, role_id, scope) SELECT gen_random_uuid(), $4, id, $5 FROM made
        """,
        kind,
        roles,
        permission["id"],
        user["id"],
        scope,
    )

    explanation = await explain(admin, user["id"], kind)

    told = explanation["reasons" if scope else "paths"]
    assert (len(told), explanation["has_more"]) == (min(roles, 100), has_more)
    ways = [each["path"] if scope else each for each in told]
    names = [way["assignment"]["role"]["name"] for way in ways]
    assert names == sorted(names)
