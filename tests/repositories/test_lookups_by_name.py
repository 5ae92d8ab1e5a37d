"""Each look-up by a name is asked for two rows by their names, and for a name that no row has."""

import ast
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from cms_service import repositories
from cms_service.core.database import FastLane, UnitOfWork, Window
from cms_service.core.exceptions import NotFound
from cms_service.repositories import (
    USERS,
    AccessRepository,
    AccessSearchRepository,
    ApiKeyRepository,
    Counter,
    CredentialRepository,
    ExplanationRepository,
    HolderRepository,
    IdempotencyRepository,
    Purpose,
    RoleRepository,
    SignInRepository,
    Sought,
    SubjectRepository,
    UserRepository,
)
from tests.factories import unique, unique_email
from tests.repositories.test_database_rules import add, add_permission, add_role, add_user

NAMING_COLUMNS = {"name", "email", "external_id", "digest", "jti"}
NO_LOOKUPS = {"access_search.find_permissions", "housekeeping.purge_idempotency_keys"}
"""They compare the names of rows with those of other rows."""
NETWORK = Counter(Purpose.NETWORK, b"nobody", 1, [timedelta(0)], timedelta(hours=1), most_failures=1)
HOUR = timedelta(hours=1)
WHOLE = Window(after=None, limit=100, counts_all=False)
NO_ID = UUID(int=0)


class World(msgspec.Struct, frozen=True):
    """The three ways to the database."""

    sql: asyncpg.Connection
    lane: FastLane
    work: UnitOfWork


Rows: TypeAlias = Mapping[Any, UUID]
"""The two rows of a test, by their names."""
Add: TypeAlias = Callable[[World], Awaitable[tuple[Any, UUID]]]
"""Adds a row; its name, and the id that a look-up by that name has to find."""
Find: TypeAlias = Callable[[World, Any, Rows], Awaitable[set[UUID]]]
"""The ids that are found by a name."""


class LookUp(msgspec.Struct, frozen=True):
    add: Add
    new_name: Callable[[], Any]
    find: Find


@pytest.fixture
def world(db: asyncpg.Connection, lane: FastLane, work: UnitOfWork) -> World:
    return World(db, lane, work)


def new_permission() -> str:
    return f"{unique('articles')}:publish"


def new_digest() -> bytes:
    return uuid4().bytes


new_role, new_service, new_external_id = (partial(unique, stem) for stem in ("editor", "machine", "hr"))


async def add_user_with_email(world: World) -> tuple[str, UUID]:
    email = unique_email()
    return email, await add_user(world.sql, email=email)


async def add_user_with_external_id(world: World) -> tuple[str, UUID]:
    external_id = new_external_id()
    return external_id, await add_user(world.sql, external_id=external_id)


async def add_service(world: World) -> tuple[str, UUID]:
    name = new_service()
    return name, await add(world.sql, "service_accounts", {"name": name, "description": ""})


async def add_named_role(world: World) -> tuple[str, UUID]:
    name = new_role()
    return name, await add_role(world.sql, name=name)


async def add_user_with_role(world: World) -> tuple[str, UUID]:
    name, role_id = await add_named_role(world)
    user_id = await add_user(world.sql)
    await add(world.sql, "user_roles", {"user_id": user_id, "role_id": role_id})
    return name, user_id


async def add_lone_permission(world: World) -> tuple[str, UUID]:
    name = new_permission()
    return name, await add_permission(world.sql, name=name)


async def add_role_with_permission(world: World) -> tuple[str, UUID]:
    """It holds a second permission, which no test asks for."""
    role_id = await add_role(world.sql)
    (name, permission_id), (_, second_id) = [await add_lone_permission(world) for _ in range(2)]
    columns = "INSERT INTO role_permissions (role_id, permission_id) VALUES ($1, $2), ($1, $3)"
    await world.sql.execute(columns, role_id, permission_id, second_id)
    return name, role_id


async def add_user_with_permission(world: World) -> tuple[str, UUID]:
    name, role_id = await add_role_with_permission(world)
    user_id = await add_user(world.sql, password_hash="of a user who can sign in")
    await add(world.sql, "user_roles", {"user_id": user_id, "role_id": role_id})
    return name, user_id


async def add_key(world: World) -> tuple[bytes, UUID]:
    digest, (_, account_id) = new_digest(), await add_service(world)
    expires_at = await world.sql.fetchval("SELECT now() + $1::interval", HOUR)
    columns = {"service_account_id": account_id, "name": "first", "digest": digest, "expires_at": expires_at}
    return digest, await add(world.sql, "api_keys", columns)


async def add_answer(world: World) -> tuple[bytes, UUID]:
    digest, answer = new_digest(), uuid4()
    columns = "INSERT INTO idempotency_keys (digest, sealed_answer) VALUES ($1, $2)"
    await world.sql.execute(columns, digest, answer.bytes)
    return digest, answer


def one(look_up: Callable[[World, Any], Awaitable[Any]], member: str = "id") -> Find:
    """Of a look-up that finds a row, or None, or raises NotFound."""

    async def find(world: World, name: Any, _: Rows) -> set[UUID]:
        try:
            row = await look_up(world, name)
        except NotFound:
            return set()
        return set() if row is None else {getattr(row, member, row)}

    return find


def some(look_up: Callable[[World, Any], Awaitable[Any]]) -> Find:
    """Of a look-up that finds ids."""

    async def find(world: World, name: Any, _: Rows) -> set[UUID]:
        return set(await look_up(world, name))

    return find


def listed(look_up: Callable[[World, Any], Awaitable[Any]]) -> Find:
    """Of a filter of a list."""

    async def find(world: World, name: Any, _: Rows) -> set[UUID]:
        return {row.id for row in (await look_up(world, name)).rows}

    return find


def answered(look_up: Callable[[World, Any], Awaitable[bool]]) -> Find:
    """Of a look-up that answers yes or no."""

    async def find(world: World, name: Any, rows: Rows) -> set[UUID]:
        return {rows.get(name, NO_ID)} if await look_up(world, name) else set()

    return find


def each(look_up: Callable[[World, Any, UUID], Awaitable[object]]) -> Find:
    """Of a look-up that is about one of the rows."""

    async def find(world: World, name: Any, rows: Rows) -> set[UUID]:
        return {row_id for row_id in rows.values() if await look_up(world, name, row_id)}

    return find


def users(world: World) -> UserRepository:
    return UserRepository(session=world.work.session, wrap_exceptions=False)


def roles(world: World) -> RoleRepository:
    return RoleRepository(session=world.work.session, wrap_exceptions=False)


async def is_known(world: World, permission: str) -> bool:
    keys = ApiKeyRepository(session=world.work.session, wrap_exceptions=False)
    return bool(await keys.known_permissions([permission]))


async def credentials_at_sign_in(world: World, email: str) -> UUID | None:
    credentials, _ = await SignInRepository(world.lane).find_credentials(email, NETWORK)
    return None if credentials is None else credentials.user_id


async def kept_answer(world: World, digest: bytes) -> UUID | None:
    answer = await IdempotencyRepository(world.work).find(digest, HOUR)
    return None if answer is None else UUID(bytes=answer)


async def gives(world: World, permission: str, role_id: UUID) -> bool:
    graph = await ExplanationRepository(world.work).find_granting_roles([role_id], [permission])
    return [held.name for held in graph.permissions.get(role_id, [])] == [permission]


LOOKUPS: list[tuple[str, LookUp]] = [
    (
        "access.has_lasting_holder",
        LookUp(
            add_user_with_permission,
            new_permission,
            answered(lambda world, name: AccessRepository(world.work).has_lasting_holder(name)),
        ),
    ),
    (
        "access.any_role_holds",
        LookUp(
            add_role_with_permission,
            new_permission,
            each(lambda world, name, role_id: AccessRepository(world.work).any_role_holds([role_id], name)),
        ),
    ),
    (
        "access_search.is_permission",
        LookUp(
            add_lone_permission,
            new_permission,
            answered(lambda world, name: AccessSearchRepository(world.work).is_permission(name)),
        ),
    ),
    (
        "access_search._roles",
        LookUp(
            add_user_with_permission,
            new_permission,
            some(
                lambda world, name: AccessSearchRepository(world.work).find_holders(Sought(USERS, [name], []), NO_ID, 9)
            ),
        ),
    ),
    ("api_key.known_permissions", LookUp(add_lone_permission, new_permission, answered(is_known))),
    (
        "credential._BY_DIGEST",
        LookUp(add_key, new_digest, one(lambda world, digest: CredentialRepository(world.lane).find_key(digest))),
    ),
    (
        "explanation.has_permission",
        LookUp(
            add_lone_permission,
            new_permission,
            answered(lambda world, name: ExplanationRepository(world.work).has_permission(name)),
        ),
    ),
    ("explanation.find_granting_roles", LookUp(add_role_with_permission, new_permission, each(gives))),
    (
        "explanation._giving",
        LookUp(
            add_user_with_permission,
            new_permission,
            each(
                lambda world, name, user_id: ExplanationRepository(world.work).find_assignments(USERS, user_id, [name])
            ),
        ),
    ),
    (
        "holders.roles_giving",
        LookUp(
            add_role_with_permission,
            new_permission,
            some(lambda world, name: HolderRepository(world.work).roles_giving([name])),
        ),
    ),
    ("idempotency.find", LookUp(add_answer, new_digest, one(kept_answer))),
    ("role.get_by_name", LookUp(add_named_role, new_role, one(lambda world, name: roles(world).get_by_name(name)))),
    (
        "role.slice",
        LookUp(
            add_role_with_permission,
            new_permission,
            listed(lambda world, name: roles(world).slice("name", WHOLE, permission=name)),
        ),
    ),
    ("sign_in._CREDENTIALS", LookUp(add_user_with_email, unique_email, one(credentials_at_sign_in))),
    (
        "subject._IDS",
        LookUp(
            add_user_with_email,
            unique_email,
            one(lambda world, name: SubjectRepository(world.lane).find_id("user", name)),
        ),
    ),
    (
        "subject._IDS",
        LookUp(
            add_user_with_external_id,
            new_external_id,
            one(lambda world, name: SubjectRepository(world.lane).find_id("user", name)),
        ),
    ),
    (
        "subject._IDS",
        LookUp(
            add_service, new_service, one(lambda world, name: SubjectRepository(world.lane).find_id("service", name))
        ),
    ),
    (
        "user.find_credentials_by_email",
        LookUp(
            add_user_with_email,
            unique_email,
            one(lambda world, email: users(world).find_credentials_by_email(email), "user_id"),
        ),
    ),
    (
        "user.slice",
        LookUp(
            add_user_with_email,
            unique_email,
            listed(lambda world, name: users(world).slice("email", WHOLE, email=name)),
        ),
    ),
    (
        "user.slice",
        LookUp(
            add_user_with_external_id,
            new_external_id,
            listed(lambda world, name: users(world).slice("email", WHOLE, external_id=name)),
        ),
    ),
    (
        "user.slice",
        LookUp(add_user_with_role, new_role, listed(lambda world, name: users(world).slice("email", WHOLE, role=name))),
    ),
]
"""By the file of `repositories`, and the function or the statement that compares the name."""


@pytest.mark.parametrize("look_up", [pytest.param(look_up, id=place) for place, look_up in LOOKUPS])
async def test_row_is_found_by_its_own_name_when_there_are_others(world: World, look_up: LookUp) -> None:
    rows = dict([await look_up.add(world) for _ in range(2)])
    names = [*rows, look_up.new_name()]

    found = [await look_up.find(world, name, rows) for name in names]

    assert found == [*({row_id} for row_id in rows.values()), set()]


async def test_key_of_a_token_is_found_when_another_token_was_revoked(world: World) -> None:
    keys = [(await add_key(world))[1] for _ in range(2)]
    revoked, live = uuid4(), uuid4()
    columns = "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, now() + $2)"
    await world.sql.execute(columns, revoked, HOUR)
    repository = CredentialRepository(world.lane)

    found = [await repository.find_key_of_token(key_id, token_id) for key_id in keys for token_id in (live, revoked)]

    assert [key and key.id for key in found] == [keys[0], None, keys[1], None]


def places_of(tree: ast.Module, stem: str) -> Iterator[str]:
    """The functions, and the statements beside them, that compare naming columns, each once for each column."""
    statements = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in (*statements, *functions):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.Assign(targets=[ast.Name(id=name)])
                | ast.AnnAssign(target=ast.Name(id=name))
            ):
                for _ in {column for each in ast.walk(node) for column in compared_columns(each)}:
                    yield f"{stem}.{name}"


def compared_columns(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = [left, right]
        case ast.Call(func=ast.Attribute(value=left, attr="in_")):
            sides = [left]
        case _:
            sides = []
    for part in (part for side in sides for part in ast.walk(side)):
        if isinstance(part, ast.Attribute) and part.attr in NAMING_COLUMNS:
            yield ast.unparse(part)


def test_every_comparison_of_a_name_has_a_test() -> None:
    folder = Path(repositories.__file__).parent
    places = Counts(
        place for path in folder.glob("*.py") for place in places_of(ast.parse(path.read_text()), path.stem)
    )
    tested = Counts([place for place, _ in LOOKUPS] + ["credential._OF_TOKEN"])
    assert {place: count for place, count in places.items() if place not in NO_LOOKUPS} == tested
    assert places.keys() >= NO_LOOKUPS
