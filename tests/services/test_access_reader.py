"""What is read of a subject, and in how many statements."""

import asyncio
from math import inf
from uuid import UUID

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import FastLane
from cms_service.core.dependencies import SystemClock
from cms_service.core.security import SubjectType
from cms_service.repositories import CredentialRepository, SubjectRepository
from cms_service.services import AccessMemory, AccessReader
from tests.api import given
from tests.fixtures import Caller


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_effective_permissions_are_read_in_one_statement(
    settings: Settings, admin: Caller, is_trusted: bool
) -> None:
    """Whether or not they may be remembered: some are inherited, some are limited to a scope."""
    permissions = [(await given.permission(admin))["name"] for _ in range(3)]
    root = await given.role(admin, permissions[0])
    heir = await given.role(admin, permissions[1], parent_ids=[root["id"]])
    heirs_heir = await given.role(admin, permissions[2], parent_ids=[heir["id"]])
    user = await given.user(admin)
    await given.assignment(admin, user["id"], heir["id"])
    await given.assignment(admin, user["id"], heirs_heir["id"], scope="site:blog")
    lane = FastLane(settings)
    memory = AccessMemory(10, SystemClock())
    if is_trusted:
        memory.trust(inf, 0)
    reader = AccessReader(memory, SubjectRepository(lane), CredentialRepository(lane))
    await reader.list_permissions()  # The lane opens its connection.
    (connection,) = lane._idle
    statements: list[str] = []

    def note(statement: asyncpg.connection.LoggedQuery) -> None:
        statements.append(statement.query)

    with connection.query_logger(note):
        rights = await reader.find_rights(SubjectType.user, UUID(user["id"]))
        await asyncio.sleep(0)  # The driver tells of a statement right after it.
    assert lane.opened == 1
    lane.close()

    assert rights is not None
    assert rights.everywhere == frozenset(permissions[:2])
    assert rights.within == {"site:blog": frozenset(permissions)}
    assert len(statements) == 1, statements
