"""Whatever a limited actor tries, by whatever route and credential, nobody comes to hold what it did not hold.

Nor for longer than it did; and an account that can do more than the actor stays as it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.escalation import (
    LATER,
    NAMES,
    POWERS,
    ROBOTS,
    ROLES,
    USERS,
    Cast,
    Ledger,
    exceeding,
    implies,
    in_force,
    make_cast,
    read_ledger,
    set_up,
)
from tests.api.given import Json
from tests.api.machines import Machine
from tests.api.operations import WRITING, Operation
from tests.factories import RoleCreateFactory, UserCreateFactory, unique, unique_email
from tests.fixtures import Caller, Register

pytestmark = pytest.mark.slow

OPERATIONS = {operation.id: operation for operation in WRITING}
TIMES = [None, datetime(2998, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)]
SCOPES = [None, "site:blog", "site:news"]

Assigned = st.tuples(st.integers(0, ROLES - 1), st.sampled_from(SCOPES), st.sampled_from(TIMES), st.booleans())
"""Role, scope, end, and whether it begins only later."""
OfTheActor = st.tuples(
    st.integers(0, ROLES - 1), st.sampled_from([None, None, SCOPES[1]]), st.sampled_from(TIMES), st.just(False)
)
Permissions = st.sets(st.integers(0, NAMES - 1), min_size=1, max_size=2)
Worlds = st.fixed_dictionaries(
    {
        "permissions": st.lists(Permissions, min_size=ROLES, max_size=ROLES),
        "links": st.sets(st.sampled_from([(low, high) for high in range(ROLES) for low in range(high)]), max_size=3),
        "users": st.tuples(
            st.lists(OfTheActor, min_size=3, max_size=4),
            st.lists(Assigned, max_size=2),
            st.lists(Assigned, min_size=1, max_size=2),
        ),
        "robots": st.tuples(*(st.lists(Assigned, max_size=1) for _ in range(ROBOTS))),
    }
)


class Choice(msgspec.Struct, frozen=True):
    """Whatever an attempt may need to be complete."""

    user: int
    robot: int
    role: int
    permission: int
    terms: Any
    items: Any
    held: set[int]
    parents: set[int]
    is_on: bool


class Stage(msgspec.Struct):
    """A world while it is acted in: what is made there may be used in it."""

    cast: Cast
    permissions: list[str]
    roles: list[str]
    users: list[str]
    robots: list[str]
    keys: list[tuple[Machine, list[str] | None]] = []
    """Keys that the actor came by, with what they are narrowed to."""

    @property
    def accounts(self) -> list[str]:
        return self.users + self.robots

    def other_user(self, choice: Choice) -> str:
        """Without its account, or its powers, the actor would try nothing any more."""
        return self.users[1 + choice.user % (len(self.users) - 1)]

    def ids(self, choice: Choice) -> dict[str, str]:
        return {
            "user_id": self.other_user(choice),
            "service_account_id": self.robots[choice.robot % len(self.robots)],
            "role_id": self.roles[choice.role % len(self.roles)],
            "permission_id": self.permissions[choice.permission % len(self.permissions)],
        }

    def terms(self, assigned: Any) -> Json:
        number, scope, until, is_later = assigned
        begins = {"not_before": LATER.isoformat()} if is_later else {}
        return {
            "role_id": self.cast.role_ids[number],
            "scope": scope,
            "expires_at": until and until.isoformat(),
        } | begins

    def permission_ids(self, choice: Choice) -> list[str]:
        return [self.permissions[each] for each in choice.held]

    def parent_ids(self, choice: Choice) -> list[str]:
        return [self.roles[each] for each in choice.parents]


Attempt: TypeAlias = Callable[[Stage, Choice], Json | None]


ASSIGNED = """
SELECT role_id, scope FROM user_roles WHERE user_id = $1
UNION ALL SELECT role_id, scope FROM service_account_roles WHERE service_account_id = $1 AND role_id <> $2
"""


def nothing(*_: Any) -> None:
    return None


def role_assignment(stage: Stage, choice: Choice) -> Json:
    return {name: value for name, value in stage.terms(choice.terms).items() if name != "role_id"}


def role_assignments(stage: Stage, choice: Choice) -> Json:
    return {"assignments": [stage.terms(each) for each in choice.items]}


ATTEMPTS: dict[str, Attempt] = {
    "createUser": lambda *_: msgspec.to_builtins(UserCreateFactory.build(password=None)),
    "updateUser": lambda _, choice: {"email": unique_email(), "is_active": choice.is_on},
    "deleteUser": nothing,
    "restoreUser": nothing,
    "activateUser": nothing,
    "deactivateUser": nothing,
    "assignRole": role_assignment,
    "replaceUserRoles": role_assignments,
    "withdrawRole": nothing,
    "createServiceAccount": lambda *_: {"name": unique("robot")},
    "updateServiceAccount": lambda _, choice: {"name": unique("robot"), "is_active": choice.is_on},
    "deleteServiceAccount": nothing,
    "assignServiceAccountRole": role_assignment,
    "replaceServiceAccountRoles": role_assignments,
    "withdrawServiceAccountRole": nothing,
    "createApiKey": lambda stage, choice: {
        "name": "taken",
        "permissions": [*POWERS, *(stage.cast.names[each] for each in choice.held)] if choice.is_on else None,
    },
    "revokeApiKey": nothing,
    "createPermission": lambda stage, _: {"name": stage.cast.names[0].replace(":read", f":{unique('new')}")},
    "updatePermission": lambda *_: {"description": "Does much more than it says."},
    "deletePermission": nothing,
    "createRole": lambda stage, choice: msgspec.to_builtins(
        RoleCreateFactory.build(permission_ids=stage.permission_ids(choice), parent_ids=stage.parent_ids(choice))
    ),
    "updateRole": lambda *_: {"name": unique("editor"), "title": "Chief"},
    "deleteRole": nothing,
    "replaceRolePermissions": lambda stage, choice: {"permission_ids": stage.permission_ids(choice)},
    "grantPermission": nothing,
    "withdrawPermission": nothing,
    "replaceRoleParents": lambda stage, choice: {"parent_ids": stage.parent_ids(choice)},
}
EXCEPTIONS = {
    **dict.fromkeys(
        ("evaluateAccess", "evaluateAccesses", "explainAccess", "searchActions", "searchResources", "searchSubjects"),
        "it asks",
    ),
    "introspectToken": "it asks",
    **dict.fromkeys(("login", "reauthenticate", "refreshTokens", "issueToken"), "it takes a secret of the account"),
    **dict.fromkeys(("updateMe", "changeMyPassword"), "it is about one's own account, which gains nothing"),
    "register": "anybody may, and gets the role of everybody",
    **dict.fromkeys(
        ("logout", "revokeToken", "endMySession", "endAllMySessions", "endUserSession", "endAllUserSessions"),
        "it ends what it is about",
    ),
    "liftUserThrottle": "it forgets failures, which opens nothing without the password",
}
GIVING = [
    *("assignRole", "replaceUserRoles", "assignServiceAccountRole", "replaceServiceAccountRoles", "createApiKey"),
    *("createRole", "replaceRolePermissions", "grantPermission", "replaceRoleParents"),
]
"""They are tried more often."""
Choices = st.builds(
    Choice,
    user=st.sampled_from([0, 0, 0, *range(USERS)]),
    robot=st.integers(0, ROBOTS),
    role=st.integers(0, ROLES),
    permission=st.integers(0, NAMES),
    terms=Assigned,
    items=st.lists(Assigned, max_size=2),
    held=st.sets(st.integers(0, NAMES - 1), max_size=2),
    parents=st.sets(st.integers(0, ROLES - 1), max_size=2),
    is_on=st.booleans(),
)
Credentials = st.sampled_from(["own", "own", "key", "key", "on behalf"])
Others = st.lists(
    st.tuples(
        st.sampled_from([*GIVING, *GIVING, *ATTEMPTS]),
        Credentials,
        st.sampled_from([False, False, False, True]),
        Choices,
    ),
    min_size=2,
    max_size=5,
)


def test_every_writing_operation_is_tried_or_left_out_for_a_reason() -> None:
    assert sorted([*ATTEMPTS, *EXCEPTIONS]) == sorted(OPERATIONS)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, set[str]]]:
    """By operation, how its attempts have ended: those that are always refused, or never, would show nothing."""
    ends: dict[str, set[str]] = defaultdict(set)
    yield ends
    assert [each for each in ATTEMPTS if "done" not in ends[each]] == []
    assert [each for each in GIVING if "escalation_refused" not in ends[each]] == []


@pytest.fixture(scope="module")
async def cast(admin: Caller, register: Register) -> Cast:
    return await make_cast(admin, register)


async def send(
    db: asyncpg.Connection, stage: Stage, operation: Operation, credential: str, choice: Choice, *, is_dry: bool
) -> tuple[httpx.Response, list[str] | None]:
    """The answer, and what the credential was narrowed to."""
    narrowed_to, headers, caller = None, {}, stage.cast.actor
    if credential == "key" and stage.keys:
        caller, narrowed_to = stage.keys[-1]
    elif credential == "on behalf":
        caller, headers = stage.cast.deputy, {"X-On-Behalf-Of": stage.cast.actor.access_token}
    ids = stage.ids(choice)
    if operation.id == "assignRole" and choice.is_on:
        ids["user_id"] = stage.cast.actor.id
    if operation.id == "restoreUser":
        ids["user_id"] = stage.cast.user_ids[-1]
    if operation.id == "revokeApiKey":
        query = "SELECT id FROM api_keys WHERE service_account_id = $1 LIMIT 1"
        ids["key_id"] = str(await db.fetchval(query, ids["service_account_id"]) or ids["service_account_id"])
    body = ATTEMPTS[operation.id](stage, choice)
    needs_match = any(each["name"] == "If-Match" for each in operation.parameters_in("header"))
    params: dict[str, Any] = {"dry_run": True} if is_dry else {}
    if operation.id in ("withdrawRole", "withdrawServiceAccountRole"):
        account_id = ids["user_id"] if operation.id == "withdrawRole" else ids["service_account_id"]
        if assigned := await db.fetch(ASSIGNED, account_id, stage.cast.base_id):
            found = assigned[choice.role % len(assigned)]
            ids["role_id"], params = (
                str(found["role_id"]),
                params | ({"scope": found["scope"]} if found["scope"] else {}),
            )
    response = await caller.request(
        operation.method,
        operation.url(**ids),
        json=body,
        headers=headers,
        if_match="*" if needs_match else None,
        params=params,
    )
    expected = {200, 201, 202, 204, 400, 403, 404, 409}
    assert response.status_code in (expected | {401} if caller is not stage.cast.actor else expected), response.text
    if response.status_code == 201:
        remember(stage, operation.id, ids, response.json())
    return response, narrowed_to


def remember(stage: Stage, operation_id: str, ids: dict[str, str], created: Json) -> None:
    match operation_id:
        case "createUser":
            stage.users.append(created["id"])
        case "createServiceAccount":
            stage.robots.append(created["id"])
        case "createRole":
            stage.roles.append(created["id"])
        case "createPermission":
            stage.permissions.append(created["id"])
        case _:
            robot = {"id": ids["service_account_id"], "name": "robot"}
            stage.keys.append((Machine(stage.cast.actor.http, robot, created), created["permissions"]))


def judge(stage: Stage, first: Ledger, before: Ledger, after: Ledger, narrowed_to: list[str] | None) -> None:
    actor = stage.cast.actor.id
    powers = in_force(first.effective(actor))
    for account_id in stage.accounts:
        held = after.effective(account_id)
        assert not exceeding(held, powers | first.effective(account_id)), account_id
        if narrowed_to is not None:
            gained = exceeding(held, before.effective(account_id))
            assert all(any(implies(name, each.name) for name in narrowed_to) for each in gained), account_id
        # What it was given and can do at any time, as the actor finds it.
        if account_id != actor and exceeding(before.held.get(account_id, ()), powers):
            assert after.states[account_id] == before.states[account_id], account_id


@pytest.mark.parametrize("operation_id", ATTEMPTS)
@given(world=Worlds, choices=st.tuples(Choices, Choices), others=Others)
@settings(
    max_examples=settings().max_examples // 25,
    # So few steps can be read; to make them fewer takes minutes.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_nobody_comes_to_hold_what_the_actor_did_not(
    cast: Cast,
    db: asyncpg.Connection,
    outcomes: dict[str, set[str]],
    operation_id: str,
    world: dict[str, Any],
    choices: tuple[Choice, Choice],
    others: list[Any],
) -> None:
    permissions = await set_up(db, cast, world)
    stage = Stage(cast, permissions, [*cast.role_ids], [*cast.user_ids], [*cast.robot_ids])
    first = before = await read_ledger(db, stage.accounts)
    begun = [("createApiKey", "own", False, choices[0]), (operation_id, "own", False, choices[1])]
    for each_id, credential, wants_dry, choice in [*begun, *others]:
        operation = OPERATIONS[each_id]
        is_dry = wants_dry and any(each["name"] == "dry_run" for each in operation.parameters_in("query"))
        response, narrowed_to = await send(db, stage, operation, credential, choice, is_dry=is_dry)
        if not is_dry:
            outcomes[each_id].add("done" if response.is_success else response.json()["code"])
        after = await read_ledger(db, stage.accounts)
        judge(stage, first, before, after, narrowed_to)
        if is_dry or not response.is_success:
            assert after == before, (each_id, response.text)
        before = after
