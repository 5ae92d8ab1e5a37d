"""How long an attempt waits for its turn, before it is refused."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from cms_service.core.config import Settings
from cms_service.core.database import FastLane
from cms_service.core.exceptions import RateLimited
from cms_service.repositories import ThrottleRepository
from cms_service.services import SignInThrottle, sign_in_throttle
from tests.api import given
from tests.fixtures import Caller


@pytest.fixture
async def throttle(settings: Settings) -> AsyncIterator[SignInThrottle]:
    lane = FastLane(settings)
    yield SignInThrottle(ThrottleRepository(lane), b"k" * 32, network_failures=100)
    lane.close()


@pytest.mark.parametrize(("seconds", "is_admitted"), [(0.5, True), (1.8, False)])
async def test_attempt_waits_only_when_its_turn_comes_within_a_second(
    throttle: SignInThrottle,
    admin: Caller,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    is_admitted: bool,
) -> None:
    monkeypatch.setattr(sign_in_throttle, "MOST_POLLS", 1_000)
    user, session_id = await given.user(admin), uuid4()
    await db.execute(
        "INSERT INTO throttles (purpose, subject, streak, blocked_until) VALUES ('session', $1, 6, now() + $2)",
        session_id.bytes,
        timedelta(seconds=seconds),
    )

    try:
        await throttle.admit_session(session_id, UUID(user["id"]))
    except RateLimited:
        assert not is_admitted
    else:
        assert is_admitted
