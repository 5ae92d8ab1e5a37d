"""What time it is."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The one source of the present."""

    def now(self) -> datetime:
        """An aware instant in UTC."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)
