"""Decisions from memory are those of the database, whatever has changed, as soon as the news of it was read."""

# ruff: noqa: S608 - names of tables, not of people

from datetime import timedelta
from math import inf
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms_service.core.config import Settings
from cms_service.core.database import ACCESS_CHANNEL, DirectLine, FastLane
from cms_service.repositories import CredentialRepository, LeaseRepository, SubjectRepository
from cms_service.services import AccessMemory, AccessReader, DecisionPoint, Question
from tests.clocks import SetClock

pytestmark = pytest.mark.slow

ROLES, USERS, SCOPES = 5, 3, ("site:a", "site:b")
PERMISSIONS = ("ledgers:read", "ledgers:write", "ledgers:*", "reels:read", "*:*")
ASKED = ("ledgers:read", "ledgers:write", "reels:read", "nothing:known")
WINDOWS = ((None, None), (None, -7200), (None, 1800), (-7200, None), (1800, None), (1800, 5400), (-7200, 5400))
"""Beginnings and ends, in seconds from when they are made."""
LATER = (0, 3600, 7200)

REFERENCE = """
WITH RECURSIVE
subjects AS (
    SELECT id, is_active AND deleted_at IS NULL AS counts, email AS name FROM users WHERE id = ANY($1)
    UNION ALL SELECT id, is_active AND deleted_at IS NULL, name FROM service_accounts WHERE id = ANY($1)
),
assignments AS (
    SELECT user_id AS subject_id, role_id, scope, not_before, expires_at FROM user_roles
    UNION ALL SELECT service_account_id, role_id, scope, not_before, expires_at FROM service_account_roles
),
held AS (
    SELECT subject_id, role_id, scope FROM assignments
    WHERE subject_id = ANY($1) AND (not_before IS NULL OR not_before <= $2) AND (expires_at IS NULL OR expires_at > $2)
),
reached AS (
    SELECT subject_id, scope, role_id FROM held JOIN roles ON roles.id = role_id WHERE deleted_at IS NULL
    UNION
    SELECT subject_id, scope, parent_id FROM reached JOIN role_inheritance USING (role_id)
    JOIN roles AS parents ON parents.id = parent_id WHERE parents.deleted_at IS NULL
),
granted AS (
    SELECT subject_id, scope, name FROM reached JOIN role_permissions USING (role_id)
    JOIN permissions ON permissions.id = permission_id
)
SELECT subjects.id::text AS id, subjects.name, asked.permission, place.scope, subjects.counts
    AND EXISTS (SELECT FROM permissions WHERE permissions.name = asked.permission)
    AND EXISTS (
        SELECT FROM granted WHERE granted.subject_id = subjects.id
        AND (granted.scope IS NULL OR granted.scope = place.scope)
        AND granted.name IN (asked.permission, split_part(asked.permission, ':', 1) || ':*', '*:*')
    )
FROM subjects CROSS JOIN unnest($3::text[]) AS asked (permission) CROSS JOIN unnest($4::text[]) AS place (scope)
"""

Step: TypeAlias = tuple[Any, ...]
role = st.integers(0, ROLES - 1)
subject = st.integers(0, USERS)
Steps = st.lists(
    st.one_of(
        st.tuples(st.just("inherit"), role, role),
        st.tuples(st.just("hold"), role, st.integers(0, len(PERMISSIONS) - 1)),
        st.tuples(
            st.just("assign"),
            subject,
            role,
            st.sampled_from((None, *SCOPES)),
            st.sampled_from(WINDOWS),
        ),
        st.tuples(st.just("withdraw"), subject, role),
        st.tuples(st.just("activity"), subject),
        st.tuples(st.just("delete_role"), role),
        st.tuples(st.just("drop_permission")),
        st.tuples(st.just("swap_addresses")),
        st.tuples(st.just("later"), st.sampled_from(LATER)),
    ),
    min_size=5,
    max_size=12,
)


class World:
    """Roles, users and a service account of the test's own, changed behind the service's back."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db
        self._mark = uuid4().hex[:8]
        self.role_ids = [uuid4() for _ in range(ROLES)]
        self.subject_ids = [uuid4() for _ in range(USERS + 1)]

    async def make(self) -> None:
        for index, role_id in enumerate(self.role_ids):
            name = f"role-{self._mark}-{index}"
            await self._db.execute(
                "INSERT INTO roles (id, name, title, description) VALUES ($1, $2, $2, '')", role_id, name
            )
        for index, user_id in enumerate(self.subject_ids[:USERS]):
            email = f"{self._mark}-{index}@example.org"
            await self._db.execute("INSERT INTO users (id, email, display_name) VALUES ($1, $2, $2)", user_id, email)
        await self._db.execute(
            "INSERT INTO service_accounts (id, name, description) VALUES ($1, $2, '')",
            self.subject_ids[USERS],
            f"service-{self._mark}",
        )

    async def reset(self) -> None:
        for table in ("role_permissions", "role_inheritance", "user_roles", "service_account_roles"):
            await self._db.execute(f"DELETE FROM {table} WHERE role_id = ANY($1)", self.role_ids)
        await self._db.execute("UPDATE roles SET deleted_at = NULL WHERE id = ANY($1)", self.role_ids)
        for table in ("users", "service_accounts"):
            await self._db.execute(f"UPDATE {table} SET is_active = true WHERE id = ANY($1)", self.subject_ids)
        await self._make_permissions()

    async def _make_permissions(self) -> None:
        await self._db.execute(
            "INSERT INTO permissions (id, name, description) SELECT gen_random_uuid(), name, ''"
            " FROM unnest($1::text[]) AS names (name) ON CONFLICT DO NOTHING",
            PERMISSIONS,
        )

    async def apply(self, step: Step) -> None:  # noqa: C901 - one case for each kind of step
        match step:
            case "inherit", child, parent if child < parent:
                await self._toggle("role_inheritance", role_id=self.role_ids[child], parent_id=self.role_ids[parent])
            case "hold", role, permission:
                permission_id = await self._db.fetchval(
                    "SELECT id FROM permissions WHERE name = $1", PERMISSIONS[permission]
                )
                if permission_id is not None:
                    await self._toggle("role_permissions", role_id=self.role_ids[role], permission_id=permission_id)
            case "assign", subject, role, scope, (begin, end):
                table, owner = self._assignments(subject)
                await self._db.execute(
                    f"INSERT INTO {table} (id, {owner}, role_id, scope, not_before, expires_at) VALUES"
                    " (gen_random_uuid(), $1, $2, $3, now() + $4, now() + $5) ON CONFLICT DO NOTHING",
                    self.subject_ids[subject],
                    self.role_ids[role],
                    scope,
                    None if begin is None else timedelta(seconds=begin - 1),
                    None if end is None else timedelta(seconds=end),
                )
            case "withdraw", subject, role:
                table, owner = self._assignments(subject)
                await self._db.execute(
                    f"DELETE FROM {table} WHERE {owner} = $1 AND role_id = $2",
                    self.subject_ids[subject],
                    self.role_ids[role],
                )
            case "activity", subject:
                table = "users" if subject < USERS else "service_accounts"
                await self._db.execute(
                    f"UPDATE {table} SET is_active = NOT is_active WHERE id = $1", self.subject_ids[subject]
                )
            case "delete_role", role:
                await self._db.execute(
                    "UPDATE roles SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id = $1",
                    self.role_ids[role],
                )
            case ("drop_permission",):
                if await self._db.execute("DELETE FROM permissions WHERE name = 'reels:read'") == "DELETE 0":
                    await self._make_permissions()
            case ("swap_addresses",):
                await self._swap_addresses()

    async def _swap_addresses(self) -> None:
        one, other = self.subject_ids[:2]
        async with self._db.transaction():
            emails = [await self._db.fetchval("SELECT email FROM users WHERE id = $1", each) for each in (one, other)]
            for user_id, email in ((one, f"between-{emails[0]}"), (other, emails[0]), (one, emails[1])):
                await self._db.execute("UPDATE users SET email = $2 WHERE id = $1", user_id, email)

    async def _toggle(self, table: str, **key: UUID) -> None:
        (one, first), (other, second) = key.items()
        deleted = await self._db.execute(f"DELETE FROM {table} WHERE {one} = $1 AND {other} = $2", first, second)
        if deleted == "DELETE 0":
            await self._db.execute(f"INSERT INTO {table} ({one}, {other}) VALUES ($1, $2)", first, second)

    def _assignments(self, subject: int) -> tuple[str, str]:
        return ("user_roles", "user_id") if subject < USERS else ("service_account_roles", "service_account_id")


def kind_of(name: str) -> str:
    return "user" if "@" in name else "service"


@pytest.fixture(scope="module")
async def world(database: Any) -> Any:
    db = await database.connect()
    world = World(db)
    await world.make()
    yield world
    await db.close()


@given(steps=Steps)
@settings(max_examples=settings().max_examples * 2 // 5, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_memory_decides_as_the_database_does(
    world: World, db: asyncpg.Connection, settings: Settings, steps: list[Step]
) -> None:
    await world.reset()
    lane = FastLane(settings)
    memory = AccessMemory(1_000, SetClock(0))
    decisions = DecisionPoint(AccessReader(memory, SubjectRepository(lane), CredentialRepository(lane)))
    async with DirectLine.open(settings, ACCESS_CHANNEL, 10) as line:
        leases, lease_id = LeaseRepository(line), uuid4()
        seen, _ = await leases.begin()
        began_at = await db.fetchval("SELECT now()")
        later = 0
        for step in steps:
            if step[0] == "later":
                later = max(later, step[1])
            await world.apply(step)
            news = await leases.renew(lease_id, timedelta(seconds=10), seen)
            seen = news.snapshot
            memory.forget(news.changes or [])
            # A second later than what is now, so that the time that the test takes crosses no end of a window.
            at = began_at + timedelta(seconds=later + 1)
            memory.trust(inf, at.timestamp())
            expected = await db.fetch(REFERENCE, world.subject_ids, at, ASKED, [*SCOPES, "site:elsewhere"])
            for name in {row["name"] for row in expected}:
                await decisions.judge_of(kind_of(name), name)  # So that whoever is asked about is in memory.
            for subject_id, name, permission, scope, is_allowed in expected:
                kind = kind_of(name)
                question = Question(kind, name, permission, (scope,))
                assert await decisions.decide(question) == is_allowed, (question, steps)
                question = Question(kind, subject_id, permission, (scope,))
                assert await decisions.decide(question) == is_allowed, (question, steps)
                other_kind = "service" if kind == "user" else "user"
                assert not await decisions.decide(Question(other_kind, subject_id, permission, (scope,)))
        await leases.give_back(lease_id)
    lane.close()
