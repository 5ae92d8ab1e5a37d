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

    Signal handlers would set an event, for which it takes a lock; a handler must not wait for one, and a thread that
    was blocked on one was seen to sleep on when two signals came at once. And an event that is set and cleared by
    several threads forgets who set it. This asks the server itself what there is to do, and wakes by itself; between,
    it does what else the main process has to do now and again.
    """

    POLL_SECONDS = 0.1

    def __init__(self, server: AbstractServer[Any], draining: Draining, chore: Callable[[], None]) -> None:
        self._server = server
        self._draining = draining
        self._chore = chore

    def set(self) -> None:
        """Nothing: whoever calls this has told the server that it ends, or which workers died."""

    def clear(self) -> None:
        """Nothing, as well."""

    def wait(self) -> None:
        server = self._server
        while not (server.interrupt_signal or server.interrupt_children):
            # A signal may come between any two steps: whether to end is said here, and never unsaid.
            if self._draining.is_over():
                server.interrupt_signal = True
            else:
                self._chore()
                time.sleep(self.POLL_SECONDS)
