"""How the service ends: it says that it goes, serves on for a while, and only then stops listening."""

import ctypes
import logging
import os
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from typing import Any

from granian.server.common import AbstractServer

logger = logging.getLogger(__name__)


class Draining:
    """What the main process and its workers know of the end.

    The workers inherit one byte of shared memory. There is no lock: a signal handler must not wait for one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._main_process = os.getpid()
        self._has_begun = RawValue(ctypes.c_bool, False)  # noqa: FBT003 - the initial value
        self._ends_at: float | None = None
        self._is_told = False

    def has_begun(self) -> bool:
        """Whether readiness has to say no: true in every worker at the same moment."""
        return bool(self._has_begun.value)

    def begin(self) -> bool:
        """For signal handlers of the main process. False where there is nothing, or nothing more, to wait for."""
        if os.getpid() != self._main_process:
            return True  # A worker that has just been forked, and still has the handlers of the main process.
        if self._seconds == 0 or self.has_begun():
            return False
        self._ends_at = time.monotonic() + self._seconds
        self._has_begun.value = True
        return True

    def is_over(self) -> bool:
        """For the loop of the main process, which tells the operator too."""
        if self._ends_at is None:
            return False
        if not self._is_told:
            self._is_told = True
            logger.info(
                "told to stop: readiness answers 503 from now on, and requests are served for another %g seconds",
                self._seconds,
            )
        return time.monotonic() >= self._ends_at


class MainLoopInterrupt:
    """What the main thread of `server` waits for, in place of a `threading.Event`.

    Signal handlers set it. An event takes a lock to be set, which a handler must not wait for, and a thread that is
    blocked on one was seen to sleep on when two signals came at once. This takes none, and wakes by itself; between,
    it does what else the main process has to do now and again.

    Whether to end is only ever said, never unsaid: a signal may come between any two steps of this loop, or while the
    server is busy with a worker that has died.
    """

    POLL_SECONDS = 0.1

    def __init__(self, server: AbstractServer[Any], draining: Draining, chore: Callable[[], None]) -> None:
        self._is_set = False
        self._server = server
        self._draining = draining
        self._chore = chore

    def set(self) -> None:
        self._is_set = True

    def clear(self) -> None:
        self._is_set = False

    def wait(self) -> None:
        while not (self._is_set or self._server.interrupt_signal):
            if self._draining.is_over():
                self._server.interrupt_signal = True
                return
            self._chore()
            time.sleep(self.POLL_SECONDS)
