import asyncio
import gc
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from cms_service.core.config import SigningAlgorithm
from cms_service.core.database import UnitOfWork
from cms_service.core.dependencies import SystemClock, SystemEntropy
from cms_service.core.security import Sealer
from cms_service.services import KeyRing, KeySchedule

DAY = timedelta(days=1)
SCHEDULE = KeySchedule(SigningAlgorithm.EDDSA, signs_for=90 * DAY, published_ahead=DAY, token_lifetime=DAY)


class FailingDatabase(AbstractAsyncContextManager[UnitOfWork]):
    """Fails as soon as it may, whoever asks."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_fail = asyncio.Event()

    async def __aenter__(self) -> UnitOfWork:
        self.is_asked.set()
        await self.may_fail.wait()
        raise ConnectionResetError

    async def __aexit__(self, *_: object) -> None: ...

    def ring(self) -> KeyRing:
        return KeyRing(lambda: self, Sealer(bytes(32)), SCHEDULE, SystemClock(), SystemEntropy())


async def test_error_of_a_read_that_nobody_waits_for_any_more_is_no_fault() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    database = FailingDatabase()
    ring = database.ring()
    waiting = asyncio.create_task(ring.signer())
    await database.is_asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    [reading] = asyncio.all_tasks() - {asyncio.current_task()}
    database.may_fail.set()
    await asyncio.wait({reading})
    del ring, waiting, reading
    gc.collect()
    assert faults == []


async def test_error_of_a_read_is_told_to_all_who_wait() -> None:
    database = FailingDatabase()
    database.may_fail.set()
    ring = database.ring()
    outcomes = await asyncio.gather(ring.signer(), ring.signer(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionResetError] * 2
