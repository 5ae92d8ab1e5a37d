"""Deleting what no longer counts, behind everybody's back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import structlog

from cms_service.core.database import WorkFactory, translate_error
from cms_service.core.dependencies import Clock
from cms_service.repositories import HousekeepingRepository
from cms_service.services.idempotency import ANSWERS_KEPT

CHANGES_KEPT = timedelta(hours=1)
"""Many times longer than any cache goes on without hearing of them."""
KEPT = timedelta(days=1)
"""How long a session that has ended, a counter that holds up nobody and a retired key are still there to be seen."""
API_KEYS_KEPT = timedelta(days=30)
"""The same of API keys, which people look for when a machine is refused."""
BATCH_SIZE = 500
PAUSE_SECONDS = 0.05
"""Between two batches, so that whoever waits for the database has it in between."""

_FIRST_ID = UUID(int=0)

_log = structlog.get_logger("cms_service.housekeeping")

Batch: TypeAlias = Callable[[HousekeepingRepository], Awaitable[tuple[int, bool]]]
"""Does some of the work; how many rows are gone, and whether there may be more."""


class Housekeeper:
    """Every process has one; of all of them, one works at a time."""

    def __init__(self, work: WorkFactory, every_seconds: int, clock: Clock) -> None:
        self._work = work
        self._every_seconds = every_seconds
        self._clock = clock
        self.cleaned_at = 0.0
        """When this process last did it, in seconds since the epoch."""

    async def keep_house(self) -> None:
        """Cleans now and again until cancelled. What fails is tried again the next time."""
        while True:
            # All processes wake at the same moments, so that one of them does it and the others see that it is done.
            await asyncio.sleep(self._every_seconds - self._clock.now().timestamp() % self._every_seconds)
            try:
                await self.clean()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                if translate_error(error) is None:
                    _log.exception("housekeeping_failed")

    async def clean(self) -> None:
        """What is dead now is gone, unless another process is at it."""
        async with self._work() as holder:
            lock = HousekeepingRepository(holder)
            if not await lock.try_lock():
                return
            purged = {
                "sessions": await self._repeat(_Sessions().purge, lock),
                "throttles": await self._repeat(_purge_throttles, lock),
                "signing_keys": await self._repeat(_purge_signing_keys, lock),
                "api_keys": await self._repeat(_purge_api_keys, lock),
                "revoked_tokens": await self._repeat(_purge_revoked_tokens, lock),
                "idempotency_keys": await self._repeat(_purge_idempotency_keys, lock),
                "access_changes": await self._repeat(_purge_access_changes, lock),
                "cache_leases": await self._repeat(_purge_cache_leases, lock),
            }
        self.cleaned_at = self._clock.now().timestamp()
        if any(purged.values()):
            _log.info("purged", **purged)

    async def _repeat(self, batch: Batch, lock: HousekeepingRepository) -> int:
        """Each batch in a transaction of its own, while that of the lock stays open."""
        total, is_more = 0, True
        while is_more:
            async with self._work() as work:
                purged, is_more = await batch(HousekeepingRepository(work))
            total += purged
            await asyncio.sleep(PAUSE_SECONDS)
            await lock.try_lock()
        return total


class _Sessions:
    """A walk through all sessions."""

    def __init__(self) -> None:
        self._after = _FIRST_ID

    async def purge(self, repository: HousekeepingRepository) -> tuple[int, bool]:
        last, purged = await repository.purge_sessions(KEPT, self._after, BATCH_SIZE)
        self._after = last or self._after
        return purged, last is not None


async def _purge_throttles(repository: HousekeepingRepository) -> tuple[int, bool]:
    purged = await repository.purge_throttles(KEPT, BATCH_SIZE)
    return purged, purged == BATCH_SIZE


async def _purge_signing_keys(repository: HousekeepingRepository) -> tuple[int, bool]:
    return await repository.purge_signing_keys(KEPT), False


async def _purge_api_keys(repository: HousekeepingRepository) -> tuple[int, bool]:
    return await repository.purge_api_keys(API_KEYS_KEPT), False


async def _purge_revoked_tokens(repository: HousekeepingRepository) -> tuple[int, bool]:
    return await repository.purge_revoked_tokens(KEPT), False


async def _purge_idempotency_keys(repository: HousekeepingRepository) -> tuple[int, bool]:
    purged = await repository.purge_idempotency_keys(ANSWERS_KEPT, BATCH_SIZE)
    return purged, purged == BATCH_SIZE


async def _purge_access_changes(repository: HousekeepingRepository) -> tuple[int, bool]:
    purged = await repository.purge_access_changes(CHANGES_KEPT, BATCH_SIZE)
    return purged, purged >= BATCH_SIZE


async def _purge_cache_leases(repository: HousekeepingRepository) -> tuple[int, bool]:
    return await repository.purge_cache_leases(CHANGES_KEPT), False
