"""The numbers that Prometheus collects, of all workers together, whichever of them answers."""

import asyncio
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from cms_service.core.observability.shared_files import SharedFiles

REFRESH_SECONDS = 1.0
"""How old the numbers of the workers that do not answer can be."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
"""Of what is answered at once or given up after a second or two."""
VERSION = re.compile(r"; version=(0\.0\.4|1\.0\.0|2\.0\.0)(;|$)")
"""Those of the formats that the library writes."""

Combine: TypeAlias = Literal["livesum", "livemin", "max", "livemostrecent"]
"""How the gauges of several workers become one. Those that are live go with their worker."""
Read: TypeAlias = Callable[[], float]
Encode: TypeAlias = Callable[[Collector], bytes]


class Page(msgspec.Struct, frozen=True):
    """What Prometheus gets."""

    content: bytes
    media_type: str


class Tally:
    """Count durations in a list, and add them to a histogram when its numbers are wanted.

    To observe them one by one writes to shared memory twice, which takes 2 µs a request.
    """

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds: Sequence[float] = histogram._upper_bounds  # noqa: SLF001 - the library adds none up
        self._counts = [0] * len(self._bounds)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration in its bucket."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def add_up(self) -> None:
        """Add what was counted since the last time."""
        counts, self._counts = self._counts, [0] * len(self._bounds)
        seconds, self._seconds = self._seconds, 0.0
        if seconds:
            self._histogram._sum.inc(seconds)  # noqa: SLF001
        for bucket, count in zip(self._histogram._buckets, counts, strict=True):  # noqa: SLF001
            if count:
                bucket.inc(count)


class Metrics:
    """One for each process.

    What happens is counted as it happens. What is so, such as the length of a queue, is read every second and when
    this process is asked, and tallies are added up then. Workers share what they have in files of one directory, which
    outlives them: a counter does not fall when its worker dies. Without a directory there is this process alone.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        if directory is not None:
            _write_into(directory)
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._counters: dict[str, Counter] = {}
        self._refreshers: list[Callable[[], None]] = []
        self.gauge("cms_workers", "Worker processes that serve.", lambda: 1)
        self.gauge("cms_build_info", "Always 1; the label tells the version.", lambda: 1, "max", version=_version())

    def gauge(self, name: str, description: str, read: Read, combine: Combine = "livesum", /, **labels: str) -> None:
        """What `read` returns, whenever it is wanted."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(
                name, description, labels, registry=self._registry, multiprocess_mode=combine
            )
        child = gauge.labels(**labels) if labels else gauge
        self._refreshers.append(lambda: child.set(read()))

    def measured(self, name: str, description: str) -> Gauge:
        """What is set by whoever asks last."""
        return Gauge(name, description, registry=self._registry, multiprocess_mode="livemostrecent")

    def counter(self, name: str, description: str, read: Callable[[], int], /, **labels: str) -> None:
        """What `read` returns, which only grows."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Counter(name, description, labels, registry=self._registry)
        child = counter.labels(**labels) if labels else counter
        seen = 0

        def refresh() -> None:
            nonlocal seen
            now = read()
            child.inc(now - seen)
            seen = now

        self._refreshers.append(refresh)

    def events(self, name: str, description: str, label: str | None = None, known: Sequence[str] = ()) -> Counter:
        """What is counted when it happens. Each value of the label that is known begins at 0, so that alerts see 1."""
        counter = Counter(name, description, [label] if label else [], registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def durations(
        self, name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """What is observed in seconds when it happens."""
        return Histogram(name, description, labels, buckets=buckets, registry=self._registry)

    def tallied(self, histogram: Histogram) -> Callable[[float], None]:
        """Return a function that observes seconds for the histogram, for use on every request. See `Tally`."""
        tally = Tally(histogram)
        self._refreshers.append(tally.add_up)
        return tally.observe

    def refresh(self) -> None:
        """What is read is what it is now."""
        for refresh in self._refreshers:
            refresh()

    async def keep_fresh(self) -> None:
        """Until cancelled, so that other workers can tell what is so here."""
        try:
            while True:
                self.refresh()
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            self.refresh()

    async def page(self, accept: str) -> Page:
        """All of it, in the format that Prometheus wants most."""
        self.refresh()
        encode, media_type = _encoder(accept)
        if self._directory is None:
            return Page(encode(self._registry), media_type)
        return Page(await asyncio.to_thread(_encode_shared, encode, self._directory), media_type)


def _write_into(directory: Path) -> None:
    """Whatever is counted from here on is counted in files of the directory.

    The library would decide that by the environment while it is imported, which is before there is a directory.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)  # noqa: TID251 - where the library looks for it
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def _encode_shared(encode: Encode, directory: Path) -> bytes:
    files = SharedFiles(directory)
    files.forget_dead()
    registry = CollectorRegistry()
    registry.register(files)
    return encode(registry)


def _encoder(accept: str) -> tuple[Encode, str]:
    """The library fails where a version is no number, and would claim to write any that is great enough."""
    with suppress(TypeError, ValueError):
        encode, media_type = choose_encoder(accept)
        if VERSION.search(media_type):
            return encode, media_type
    return choose_encoder("")


def _version() -> str:
    return version("cms-service")
