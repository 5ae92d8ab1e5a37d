"""Lists of who has a role or holds a permission, while somebody takes that away between their statements."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import create_engine, for_reading, unit_of_work
from cms_service.core.security import CursorCodec
from cms_service.schemas import ListQuery
from cms_service.services import HolderService
from tests.api import given, machines
from tests.fixtures import Caller
from tests.services.interrupted import interrupted

MOST_STATEMENTS = 8
LOSSES = {
    "withdrawn": "WITH gone AS (DELETE FROM user_roles WHERE user_id = $1) "
    "DELETE FROM service_account_roles WHERE service_account_id = $2",
    "removed": "WITH gone AS (DELETE FROM users WHERE id = $1) DELETE FROM service_accounts WHERE id = $2",
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_goes_between_two_statements_is_left_out(
    settings: Settings, admin: Caller, db: asyncpg.Connection, loss: str
) -> None:
    role = await given.role(admin, (await given.permission(admin))["name"])
    stays = await given.user(admin)
    await given.assignment(admin, stays["id"], role["id"])
    engine = create_engine(settings)

    async def users_of_role(service: HolderService) -> set[str]:
        page = await service.list_users_of_role(UUID(role["id"]), ListQuery(limit=1_000, cursor=None))
        assert all(user.through for user in page.items)
        return {str(user.id) for user in page.items}

    async def holders(service: HolderService) -> set[str]:
        permission_id = UUID(role["permissions"][0]["id"])
        page = await service.list_holders(permission_id, ListQuery(limit=1_000, cursor=None))
        assert all(holder.grants for holder in page.items)
        return {str(holder.subject.id) for holder in page.items}

    async def read(lister: Callable[[HolderService], Awaitable[set[str]]], number: int) -> int:
        """How many of two accounts are still listed."""
        user, robot = await given.user(admin), await machines.account(admin)
        await given.assignment(admin, user["id"], role["id"])
        assert (await admin.put(f"{machines.ACCOUNTS}/{robot['id']}/roles/{role['id']}")).is_success
        gone = (user["id"], robot["id"])
        with interrupted(engine, number, lambda: db.execute(LOSSES[loss], *gone)):
            async with unit_of_work(for_reading(engine, settings)) as work:
                found = await lister(HolderService(work, CursorCodec(b"0" * 32)))
        assert stays["id"] in found
        await db.execute(LOSSES["removed"], *gone)
        return len(found.intersection(gone))

    try:
        # First gone before it was read, at last read before it went.
        for lister, most in ((users_of_role, 1), (holders, 2)):
            listed = [await read(lister, number) for number in range(1, MOST_STATEMENTS + 1)]
            assert (listed[0], listed[-1]) == (0, most), listed
    finally:
        await engine.dispose()
