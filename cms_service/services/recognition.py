"""Callers whose credential was looked at a moment ago."""

from hashlib import sha256

import msgspec

from cms_service.core.dependencies import Clock
from cms_service.core.security import Principal, ServiceClaims, UserClaims
from cms_service.services.access_memory import AccessMemory
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.shelf import Shelf

LONGEST_RECOGNITION_SECONDS = 1.0
"""Then the credential is checked in full again. That also refreshes its place in the memory and records the use of an
API key."""
MOST_RECOGNISED = 10_000
"""More than a worker answers in a second."""


class Caller(msgspec.Struct, frozen=True):
    """A principal, and how long its credential counts unless something changes."""

    principal: Principal
    until: float
    """When its session, API key or a window of its roles ends, in seconds since the epoch by the database's clock."""
    claims: UserClaims | ServiceClaims | None = None
    """Of the access token; None for an API key."""


class _Recognised(msgspec.Struct, frozen=True):
    caller: Caller
    generation: int
    """Of the memory, before the credential was looked at."""


class RecognisedCallers:
    """Remember callers by the digest of their credential, for a second and only while nothing has changed.

    A caller is recognised under the conditions under which a full check of its credential would find the same (apart
    from the backstop of `AccessMemory`, which then comes up to a second later):

    - the memory has heard of every change that was answered, and has forgotten nothing since (`AccessMemory`);
    - neither its session nor its API key has ended, and no window of its roles has opened or closed;
    - its access token has not expired, and the key that signed it still counts.

    Each is asked anew at every request, so that jumps of the clocks and retired keys count at once. All is asked in one
    turn of the event loop: nothing can change in between.
    """

    def __init__(self, memory: AccessMemory, access_tokens: AccessTokenReader, clock: Clock) -> None:
        self._memory = memory
        self._access_tokens = access_tokens
        self.callers = Shelf[bytes, _Recognised](MOST_RECOGNISED, LONGEST_RECOGNITION_SECONDS, clock)

    @property
    def generation(self) -> int:
        """Generation of the memory. Read it before a credential is checked."""
        return self._memory.generation

    def find(self, credential: str) -> Principal | None:
        """Return the principal, if it is recognised."""
        if not self._memory.is_trusted:
            return None
        digest = _digest(credential)
        found = self.callers.peek(digest)
        if found is None or found.generation != self._memory.generation or not self._still_counts(found.caller):
            self.callers.misses += 1
            return None
        self.callers.hits += 1
        return found.caller.principal

    def keep(self, credential: str, caller: Caller, generation: int) -> None:
        """Recognise the caller from now on, unless something was forgotten while its credential was looked at."""
        if self._memory.is_current(generation):
            self.callers.put(_digest(credential), _Recognised(caller, generation))

    def _still_counts(self, caller: Caller) -> bool:
        if self._memory.now() >= caller.until:
            return False
        return caller.claims is None or self._access_tokens.still_counts(caller.claims)


def _digest(credential: str) -> bytes:
    return sha256(credential.encode()).digest()
