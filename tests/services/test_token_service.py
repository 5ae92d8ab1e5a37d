"""Refresh tokens that the rotation has refused, and how long a sign-in is recent."""

import asyncpg
import pytest
from msgspec.structs import replace

from cms_service.app import create_app
from cms_service.core.config import Settings
from cms_service.core.database import create_engine, unit_of_work
from cms_service.core.exceptions import RefreshTokenInvalid
from cms_service.core.security import Actor
from cms_service.services import TokenIssuer, TokenService
from tests.api.credentials import refresh
from tests.clocks import SetClock
from tests.fixtures import Register


async def test_session_goes_on_when_its_live_token_was_refused_a_moment_ago(
    settings: Settings, register: Register, db: asyncpg.Connection
) -> None:
    """As when its account was activated between the rotation and the second look."""
    ada = await register()
    issuer: TokenIssuer = create_app(settings).litestar.state["issuer"]
    engine = create_engine(settings)
    token = issuer.refresh_tokens.decode(ada.refresh_token)

    with pytest.raises(RefreshTokenInvalid):
        async with unit_of_work(engine) as work:
            await TokenService(work, Actor(), issuer).repeat(token)

    await engine.dispose()
    assert await db.fetchval("SELECT revoked_at FROM refresh_tokens WHERE id = $1", token.session_id) is None
    assert (await refresh(ada.http, ada.refresh_token)).status_code == 200


@pytest.mark.parametrize(("seconds_ago", "is_recent"), [(0, True), (600, True), (601, False)])
def test_authentication_is_recent_for_as_long_as_the_setting_says(
    settings: Settings, seconds_ago: int, is_recent: bool
) -> None:
    app = create_app(replace(settings, reauthentication_seconds=600))
    issuer: TokenIssuer = replace(app.litestar.state["issuer"], clock=SetClock(1_000_000))

    assert issuer.is_recent(1_000_000 - seconds_ago) == is_recent
