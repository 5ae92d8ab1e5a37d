"""Hashing passwords without holding up anybody else."""

import asyncio
import os
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar
from unicodedata import normalize

import argon2
import msgspec

from cms_service.core.exceptions import Overloaded, ServiceUnavailable

ARGON2ID = argon2.Parameters(
    type=argon2.Type.ID, version=19, salt_len=16, hash_len=32, time_cost=2, memory_cost=19456, parallelism=1
)
"""The second recommended option of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

CHEAPEST_ARGON2ID = argon2.profiles.CHEAPEST
"""For tests where hashing is not the subject: no protection, and a thousand times faster."""

HASHING_NICENESS = 5
"""Much more, and logins starve beside other work."""

T = TypeVar("T")


class PasswordCheck(msgspec.Struct, frozen=True):
    """What verifying a password found."""

    is_correct: bool
    needs_rehash: bool
    """Correct, but stored with other parameters than today's."""


def _yield_to_others() -> None:
    """Let other work of this process run first: hashing fills every processor there is.

    A higher niceness stays as it is, because only root may lower one. A sandbox may refuse the call, and hashing works
    without it.
    """
    if sys.platform == "linux":  # Elsewhere a priority is that of the whole process.
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(HASHING_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


def _unmatchable_hash(parameters: argon2.Parameters) -> str:
    """A hash that is checked at the cost of any other. No password has it, because its digest is random.

    It is not computed: that would take a worker 30 ms and 19 MiB before it serves.
    """
    salt, digest = (
        b64encode(os.urandom(length)).rstrip(b"=").decode() for length in (parameters.salt_len, parameters.hash_len)
    )
    cost = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2{parameters.type.name.lower()}$v={parameters.version}${cost}${salt}${digest}"


class PasswordHasher:
    """Argon2id in threads of its own: at most `concurrency` at once, at most `queue_size` waiting."""

    def __init__(
        self,
        concurrency: int,
        queue_size: int,
        parameters: argon2.Parameters = ARGON2ID,
        observe: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`observe` is told how many seconds each hash took, the wait included."""
        self._hasher = argon2.PasswordHasher.from_parameters(parameters)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="argon2", initializer=_yield_to_others)
        self._observe = observe
        self.concurrency = concurrency
        self._limit = concurrency + queue_size
        self._pending = 0
        self.refused = 0
        self._is_usable = False
        """Whether the last thread that was needed could run."""
        self._stand_in = _unmatchable_hash(parameters)

    @property
    def running(self) -> int:
        """How many passwords are being hashed."""
        return min(self._pending, self.concurrency)

    @property
    def waiting(self) -> int:
        """How many more wait for that."""
        return self._pending - self.running

    def refuse_when_full(self) -> None:
        """Raises Overloaded where the queue is full, for whoever has something to do before."""
        if self._pending >= self._limit:
            self.refused += 1
            raise Overloaded(retry_after_seconds=1)

    async def hash(self, password: str) -> str:
        """The PHC string to store.

        Raises:
            Overloaded: the queue is full; nothing was started.
        """
        return await self._run(lambda: self._hasher.hash(normalize("NFC", password)))

    async def check(self, password_hash: str | None, password: str) -> PasswordCheck:
        """Whether `password` is the one behind `password_hash`. Without a hash it is not, at the same cost.

        Raises:
            Overloaded: the queue is full; nothing was started.
        """
        stored = self._stand_in if password_hash is None else password_hash
        try:
            await self._run(lambda: self._hasher.verify(stored, normalize("NFC", password)))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return PasswordCheck(is_correct=False, needs_rehash=False)
        if password_hash is None:
            return PasswordCheck(is_correct=False, needs_rehash=False)
        return PasswordCheck(is_correct=True, needs_rehash=self._hasher.check_needs_rehash(password_hash))

    async def check_usable(self) -> None:
        """Raises ServiceUnavailable where no password can be hashed: the system lets no thread of this process run."""
        if not self._is_usable:
            await self._in_thread(lambda: None)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        self.refuse_when_full()
        return await self._in_thread(work, partial(self._finished, time.perf_counter()))

    async def _in_thread(self, work: Callable[[], T], when_done: Callable[[object], None] | None = None) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
            if when_done is not None:
                # Counted until the thread is done, even when the request that asked is gone.
                self._pending += 1
                future.add_done_callback(when_done)
            done = await asyncio.shield(future)
        except RuntimeError as error:
            # A thread could not be started.
            self._is_usable = False
            raise ServiceUnavailable("Passwords cannot be hashed.", retry_after_seconds=5) from error
        self._is_usable = True
        return done

    def _finished(self, began_at: float, _: object) -> None:
        self._pending -= 1
        self._observe(time.perf_counter() - began_at)
