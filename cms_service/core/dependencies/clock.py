"""What time it is."""

import time
from datetime import UTC, datetime
from typing import Protocol

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock."""


class Clock(Protocol):
    """The one source of the present."""

    def now(self) -> datetime:
        """An aware instant in UTC."""

    def steady(self) -> float:
        """Seconds since some moment; nobody sets this clock back or forth."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def steady(self) -> float:
        return time.clock_gettime(_STEADY)
