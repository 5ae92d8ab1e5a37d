"""Whether requests should be sent here."""

from collections.abc import Awaitable, Callable

from cms_service.core.exceptions import ServiceUnavailable
from cms_service.core.security import PasswordHasher
from cms_service.services.key_ring import KeyRing


class Readiness:
    """What whoever balances the load wants to know of this process."""

    def __init__(
        self,
        has_to_leave: Callable[[], bool],
        check_database: Callable[[], Awaitable[None]],
        key_ring: KeyRing,
        hasher: PasswordHasher,
    ) -> None:
        self._has_to_leave = has_to_leave
        self._check_database = check_database
        self._key_ring = key_ring
        self._hasher = hasher

    async def check(self) -> None:
        """Raises ServiceUnavailable while the process ends, or cannot work with its database, its keys or passwords."""
        if self._has_to_leave():
            raise ServiceUnavailable("This process is about to end.", retry_after_seconds=1)
        await self._check_database()
        await self._key_ring.check_readable()
        await self._hasher.check_usable()
