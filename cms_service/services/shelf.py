"""Remembering a bounded number of things for a bounded time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from cms_service.core.dependencies import Clock

K = TypeVar("K")
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """The values that were used last, each until it is too old."""

    def __init__(self, most: int, seconds: float, clock: Clock) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, key: K) -> V | None:
        found = self._values.get(key)
        if found is None or found[1] <= self._clock.steady():
            self.misses += 1
            return None
        self.hits += 1
        self._values.move_to_end(key)
        return found[0]

    def peek(self, key: K) -> V | None:
        """The value, without being used or counted."""
        found = self._values.get(key)
        return found[0] if found is not None and found[1] > self._clock.steady() else None

    def put(self, key: K, value: V) -> None:
        self._values[key] = (value, self._clock.steady() + self._seconds)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def pop(self, key: K) -> None:
        self._values.pop(key, None)

    def pop_where(self, is_gone: Callable[[V], bool]) -> None:
        for key in [key for key, (value, _) in self._values.items() if is_gone(value)]:
            del self._values[key]

    def clear(self) -> None:
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)
