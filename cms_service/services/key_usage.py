"""When API keys were last used."""

import asyncio
from collections import OrderedDict
from uuid import UUID

import structlog

from cms_service.core.database import translate_error
from cms_service.core.dependencies import Clock
from cms_service.repositories import USE_INTERVAL_SECONDS, CredentialRepository

MOST_REMEMBERED_KEYS = 10_000

_log = structlog.get_logger("cms_service.key_usage")


class KeyUsage:
    """Writes uses down beside the requests, each key's once a minute at the most. One for the whole process."""

    def __init__(self, credentials: CredentialRepository, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._noted_at: OrderedDict[UUID, float] = OrderedDict()
        self._unwritten: set[UUID] = set()
        self._has_unwritten = asyncio.Event()

    def note(self, api_key_id: UUID) -> None:
        """The key was used now."""
        now = self._clock.now().timestamp()
        if now - self._noted_at.get(api_key_id, 0) < USE_INTERVAL_SECONDS:
            return
        self._noted_at[api_key_id] = now
        self._noted_at.move_to_end(api_key_id)
        if len(self._noted_at) > MOST_REMEMBERED_KEYS:
            self._noted_at.popitem(last=False)
        self._unwritten.add(api_key_id)
        self._has_unwritten.set()

    async def keep_writing(self) -> None:
        """Writes until cancelled. What fails is left out: a use a minute later will be written."""
        while True:
            await self._has_unwritten.wait()
            self._has_unwritten.clear()
            used, self._unwritten = self._unwritten, set()
            try:
                await self._credentials.mark_used(used)
            except Exception as error:  # noqa: BLE001 - whatever it is, no request depends on it
                if translate_error(error) is None:
                    _log.exception("key_usage_not_written")
