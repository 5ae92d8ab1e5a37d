"""Clocks that tests set, and clocks that are wrong."""

from datetime import UTC, datetime, timedelta

from cms_service.core.dependencies import SystemClock


class SetClock(SystemClock):
    """Stands still until a test sets it. Begins now."""

    def __init__(self, seconds: float | None = None) -> None:
        self.at = datetime.now(UTC)
        if seconds is not None:
            self.seconds = seconds

    @property
    def seconds(self) -> float:
        """Seconds since 1970. The steady clock shows the same."""
        return self.at.timestamp()

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self.at = datetime.fromtimestamp(seconds, UTC)

    def now(self) -> datetime:
        return self.at

    def steady(self) -> float:
        return self.seconds


class SkewedClock(SystemClock):
    """Is ahead by some seconds, or behind where they are negative."""

    def __init__(self, seconds: float) -> None:
        self._skew = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._skew
