"""Hearing of every change, so that memory may be trusted; and waiting until everybody has heard."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

import structlog

from cms_service.core.database import DirectLine, FastLane, Primary, is_answer, translate_error
from cms_service.core.dependencies import Clock
from cms_service.repositories import HearingRepository, LeaseRepository, News
from cms_service.services.access_memory import AccessMemory

RENEWALS_PER_LEASE = 4
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.05, 1.0
FIRST_POLL_SECONDS = 0.001
LONGEST_POLL_SECONDS = 0.01
POLL_ANEW_SECONDS = 0.05
"""After an attempt that failed: the next one may open a connection."""
MOST_POLLS = 2
"""At once."""

_log = structlog.get_logger("cms_service.cache")

OpenLine: TypeAlias = Callable[[], AbstractAsyncContextManager[DirectLine]]


class CacheKeeper:
    """Keeps the lease of a memory: renews it while the database answers, and lets it lapse otherwise."""

    def __init__(
        self, memory: AccessMemory, open_line: OpenLine, lease_seconds: float, clock: Clock, primary: Primary
    ) -> None:
        self._memory = memory
        self._primary = primary
        self._open_line = open_line
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._is_hearing: bool | None = None
        self.heard_at = 0.0
        """When the database last answered, in seconds since the epoch by the clock of this machine."""
        self.lapses = 0
        """How often that has ended."""

    async def keep(self) -> None:
        """Until cancelled. Whatever fails is tried again soon; meanwhile requests read the database."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                async with self._open_line() as line:
                    await self._follow(line)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                self._memory.distrust()
                if not is_answer(error):
                    # The server may be gone: other connections must not be used after it, either.
                    self._primary.lose()
                if translate_error(error) is None:
                    _log.exception("cache_not_kept")
                if self._is_hearing:
                    self.lapses += 1
                if self._is_hearing is not False:
                    _log.warning("cache_bypassed", cause=type(error).__name__)
                    retry_seconds = FIRST_RETRY_SECONDS
                self._is_hearing = False
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)

    async def _follow(self, line: DirectLine) -> None:
        leases, lease_id = LeaseRepository(line), uuid4()
        duration = timedelta(seconds=self._lease_seconds)
        seen, server = await leases.begin()
        self._memory.forget_all()
        try:
            while True:
                asked_at = self._clock.steady()
                news = await leases.renew(lease_id, duration, seen)
                self._primary.follow(server)
                self._learn(news, asked_at)
                seen = news.snapshot
                # What was just forgotten is acknowledged by the next renewal, for which somebody may be waiting.
                if news.changes == [] and await line.wait_for_call(self._lease_seconds / RENEWALS_PER_LEASE):
                    news = await leases.read_news(seen)
                    self._forget(news)
                    seen = news.snapshot
        except asyncio.CancelledError:
            self._memory.distrust()
            # An error in the place of the cancellation would be taken for one to recover from, and the end be missed.
            with suppress(Exception):
                await leases.give_back(lease_id)
            raise

    def _learn(self, news: News, asked_at: float) -> None:
        """Nothing may come between the answer and this: no await."""
        answered_at = self._clock.steady()
        if self._memory.is_trusted:
            self._forget(news)
        else:
            # Nobody waited for a cache whose lease had lapsed.
            self._memory.forget_all()
        if not self._is_hearing:
            self._is_hearing = True
            _log.info("cache_trusted")
        self.heard_at = self._clock.now().timestamp()
        # Counted from before the request, so that the lease is over here before it is over for the database.
        self._memory.trust(asked_at + self._lease_seconds, news.now - (asked_at + answered_at) / 2)

    def _forget(self, news: News) -> None:
        if news.changes is None:
            self._memory.forget_all()
        elif news.changes:
            self._memory.forget(news.changes)


class Hearing:
    """Waits until no process answers any more from what was before. See `core.database.Propagation`."""

    def __init__(self, lane: FastLane, lease_seconds: float, clock: Clock) -> None:
        self._hearing = HearingRepository(lane)
        self._lease_seconds = self._longest_seconds = lease_seconds
        self._clock = clock
        # Those who wait must not take the connections of those who ask who is calling.
        self._turn = asyncio.Semaphore(MOST_POLLS)

    async def complete(self, server: datetime | None) -> None:
        """Until all have heard of what is committed now. Caches that cannot hear lose their leases meanwhile.

        Only the server that has committed a change knows who has heard of it: a standby, or another primary, may not
        know of the change at all. Where that server is not reached, all leases are waited out.
        """
        known: str | None = None
        deadline = self._clock.steady() + self._longest_seconds
        poll_seconds = FIRST_POLL_SECONDS
        while (left := deadline - self._clock.steady()) > 0:
            try:
                async with self._turn:
                    heard = await self._hearing.ask(known)
            except Exception as error:  # noqa: BLE001 - the change is committed: what leases are left is waited out
                if translate_error(error) is None:
                    _log.exception("hearing_not_asked")
                poll_seconds = POLL_ANEW_SECONDS
            else:
                # Snapshots of two servers cannot be compared.
                server = server or heard.server
                if heard.server != server:
                    poll_seconds = POLL_ANEW_SECONDS
                else:
                    # Another process may have longer leases than this one.
                    self._longest_seconds = max(self._lease_seconds, heard.longest_seconds)
                    if heard.seconds is None:
                        return
                    known = heard.known
                    deadline = self._clock.steady() + heard.seconds
            await asyncio.sleep(min(poll_seconds, left))
            poll_seconds = min(1.5 * poll_seconds, LONGEST_POLL_SECONDS)
