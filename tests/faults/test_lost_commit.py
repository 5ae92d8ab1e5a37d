"""The database commits, and nobody hears of it: the client repeats the request, and it has happened once."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec
import pytest
from polyfactory.factories.msgspec_factory import MsgspecFactory

from tests.api.problems import code_of
from tests.factories import PermissionCreateFactory, RegisterRequestFactory
from tests.faults.lossy_line import LossyLine
from tests.fixtures import DatabaseFactory, Service, ServiceFactory, sign_in

pytestmark = pytest.mark.fault


class Creation(NamedTuple):
    path: str
    factory: type[MsgspecFactory[Any]]
    action: str


CREATIONS = (
    Creation("/api/v1/permissions", PermissionCreateFactory, "permission.created"),
    # It commits twice: before its password is hashed, too.
    Creation("/api/v1/auth/register", RegisterRequestFactory, "user.registered"),
)


async def test_repeated_request_gets_the_answer_when_the_reply_to_commit_was_lost(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    db = await database.connect()
    # The path of a socket has to be a short one.
    with tempfile.TemporaryDirectory(prefix="cms-line-", dir="/tmp") as directory:
        async with LossyLine(database, Path(directory)) as line:
            service = await service_factory(line.database)
            async with service.client() as http:
                admin = await sign_in(http, Service.admin_email, Service.admin_password)
                for creation in CREATIONS:
                    body = msgspec.to_builtins(creation.factory.build())
                    headers = {"Idempotency-Key": str(uuid4())}
                    line.lose_next_commit_of(creation.action)

                    unheard = await admin.post(creation.path, body, headers=headers)
                    assert code_of(unheard, 503) == "service_unavailable"
                    again = await admin.post(creation.path, body, headers=headers)

                    assert again.status_code == 201, again.text
                    assert again.headers["idempotency-replayed"] == "true"
                    actions = "SELECT array_agg(action) FROM audit_events WHERE target_id = $1"
                    assert await db.fetchval(actions, UUID(again.json()["id"])) == [creation.action]
            assert line.lost == len(CREATIONS)
            await service.stop()
    await db.close()
