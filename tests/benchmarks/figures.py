"""What one measurement yields, and what several of them amount to."""

from collections.abc import Sequence
from statistics import median, quantiles

import msgspec


class Figures(msgspec.Struct, frozen=True):
    """One measurement, or the medians of several."""

    value: float
    """In the unit of its row."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_microseconds: float | None = None
    """Processor time of the worker for one request. Other processes of the machine disturb it least."""
    errors: int = 0


def figures_of(durations_seconds: Sequence[float], elapsed_seconds: float) -> Figures:
    """Figures of work that was timed piece by piece."""
    cuts = quantiles(durations_seconds, n=100)
    return Figures(len(durations_seconds) / elapsed_seconds, cuts[49] * 1e3, cuts[98] * 1e3)


def latency_of(durations_seconds: Sequence[float], errors: int = 0) -> Figures:
    """Figures of work of which the median time is what counts, in milliseconds."""
    cuts = quantiles(durations_seconds, n=100)
    return Figures(cuts[49] * 1e3, cuts[49] * 1e3, cuts[98] * 1e3, errors=errors)


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure, and all errors together."""
    return Figures(
        value=median(figures.value for figures in rounds),
        p50_ms=_median_of_known([figures.p50_ms for figures in rounds]),
        p99_ms=_median_of_known([figures.p99_ms for figures in rounds]),
        cpu_microseconds=_median_of_known([figures.cpu_microseconds for figures in rounds]),
        errors=sum(figures.errors for figures in rounds),
    )


def _median_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
