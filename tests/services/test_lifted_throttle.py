"""The command by which the operator lets the owner of an account sign in again."""

from uuid import UUID

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.exceptions import NotFound, ServiceError, ValidationFailed
from cms_service.operating import lift_throttle
from tests.api.credentials import actions_on
from tests.fixtures import Caller, Register


async def failures_of(admin: Caller, user: Caller) -> int:
    return int((await admin.get(f"/api/v1/users/{user.id}/throttle")).json()["failures"])


async def test_lifting_resets_the_failures_of_one_account(
    settings: Settings, admin: Caller, register: Register, db: asyncpg.Connection
) -> None:
    ada, bob = await register(), await register()
    for user in (ada, bob):
        await db.execute(
            "INSERT INTO throttles (purpose, subject, failures) VALUES ('account', $1, 91)", UUID(user.id).bytes
        )

    await lift_throttle(settings, ada.email.upper())

    assert [await failures_of(admin, user) for user in (ada, bob)] == [0, 91]
    assert (await actions_on(db, ada.id))[-1] == "user.throttle_lifted"
    assert "user.throttle_lifted" not in await actions_on(db, bob.id)


@pytest.mark.parametrize(("email", "error"), [("nobody-at-all@example.org", NotFound), ("bob", ValidationFailed)])
async def test_lifting_is_refused_when_no_account_has_the_address(
    settings: Settings, email: str, error: type[ServiceError]
) -> None:
    with pytest.raises(error):
        await lift_throttle(settings, email)
