"""A credential that ends while a password is hashed on its behalf changes nothing any more."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from cms_service.app import create_app
from cms_service.core.config import Settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import Actor, SubjectType
from cms_service.schemas import UserCreate
from cms_service.services import UserService
from tests.api.credentials import session_id_of
from tests.api.machines import ACCOUNTS, machine
from tests.factories import PASSWORD, UserCreateFactory
from tests.fixtures import Caller, Register

End = Callable[[], Awaitable[object]]


async def of_session(admin: Caller, register: Register) -> tuple[Actor, End]:
    ada = await register()
    session_id = session_id_of(ada.access_token)
    path = f"/api/v1/users/{ada.id}/sessions/{session_id}"
    return Actor(UUID(ada.id), UUID(session_id)), lambda: admin.delete(path)


async def of_api_key(admin: Caller, _: Register) -> tuple[Actor, End]:
    robot = await machine(admin)
    actor = Actor(UUID(robot.id), subject_type=SubjectType.service, credential_id=UUID(robot.key_id))
    return actor, lambda: admin.delete(f"{ACCOUNTS}/{robot.id}/keys/{robot.key_id}")


@pytest.mark.parametrize("of", [of_session, of_api_key])
async def test_no_account_is_made_by_a_credential_that_has_ended(
    settings: Settings,
    admin: Caller,
    register: Register,
    db: asyncpg.Connection,
    of: Callable[[Caller, Register], Awaitable[tuple[Actor, End]]],
) -> None:
    actor, end = await of(admin, register)
    state, engine = create_app(settings).litestar.state, create_engine(settings)

    first, second = [UserCreateFactory.build(password=PASSWORD) for _ in range(2)]

    async def create(data: UserCreate) -> None:
        async with unit_of_work(engine) as work:
            users = UserService(work, actor, state.cursors, state.hasher, state.password_policy, state.throttle)
            await users.create_user(data)

    await create(first)
    await end()
    with pytest.raises(TokenInvalid):
        await create(second)

    state.hasher.close()
    await engine.dispose()
    stored = await db.fetch("SELECT email FROM users WHERE email = ANY($1)", [first.email, second.email])
    assert [row["email"] for row in stored] == [first.email]
