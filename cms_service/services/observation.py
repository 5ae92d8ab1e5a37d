"""What of the state of a process its operator sees. It is read from where it is, so that nobody has to report it."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cms_service.core.database import ConnectionPool, Propagation
from cms_service.core.observability import Metrics
from cms_service.core.security import PasswordHasher
from cms_service.services.access_memory import AccessMemory
from cms_service.services.access_tokens import AccessTokenReader
from cms_service.services.cache_lease import CacheKeeper
from cms_service.services.housekeeping import Housekeeper
from cms_service.services.recognition import RecognisedCallers
from cms_service.services.shelf import Shelf


class TimedPropagation:
    """A propagation that tells how many seconds each change waited. See `core.database.Propagation`."""

    def __init__(self, propagation: Propagation, observe: Callable[[float], None]) -> None:
        self._propagation = propagation
        self._observe = observe

    async def complete(self, server: datetime | None) -> None:
        """See `Propagation`."""
        began_at = time.perf_counter()
        try:
            await self._propagation.complete(server)
        finally:
            self._observe(time.perf_counter() - began_at)


def observe_state(  # noqa: PLR0913 - all that has a state
    metrics: Metrics,
    *,
    pools: Mapping[str, ConnectionPool],
    hasher: PasswordHasher,
    memory: AccessMemory,
    recognised: RecognisedCallers,
    keeper: CacheKeeper,
    tokens: AccessTokenReader,
    housekeeper: Housekeeper,
) -> None:
    """From here on the metrics show what these know of themselves."""
    for name, pool in pools.items():
        _observe_pool(metrics, name, pool)
    _observe_hasher(metrics, hasher)
    _observe_memory(metrics, memory, keeper)
    _observe_shelf(metrics, "callers", recognised.callers)
    lookups = ("cms_token_cache_lookups", "Access tokens that were looked up among those verified before.")
    metrics.counter(*lookups, lambda: tokens.hits, outcome="hit")
    metrics.counter(*lookups, lambda: tokens.misses, outcome="miss")
    metrics.gauge("cms_token_cache_entries", "Verified access tokens that are remembered.", lambda: len(tokens))
    metrics.gauge(
        "cms_housekeeping_last_success_timestamp_seconds",
        "When a worker of this instance last deleted what no longer counts; 0: none has.",
        lambda: housekeeper.cleaned_at,
        "max",
    )


def _observe_pool(metrics: Metrics, name: str, pool: ConnectionPool) -> None:
    gauges: dict[tuple[str, str], Callable[[], float]] = {
        ("limit", "Database connections that there may be."): lambda: pool.limit,
        ("open", "Database connections that there are."): lambda: pool.opened,
        ("busy", "Database connections in use."): lambda: pool.busy,
        ("waiting", "Requests that wait for a database connection."): lambda: pool.waiting,
    }
    for (what, description), read in gauges.items():
        metrics.gauge(f"cms_database_connections_{what}", description, read, pool=name)
    description = "Requests that no database connection was free for in time."
    metrics.counter("cms_database_connection_timeouts", description, lambda: pool.timeouts, pool=name)


def _observe_hasher(metrics: Metrics, hasher: PasswordHasher) -> None:
    metrics.gauge("cms_password_hashes_limit", "Passwords that may be hashed at once.", lambda: hasher.concurrency)
    metrics.gauge("cms_password_hashes_running", "Passwords that are being hashed.", lambda: hasher.running)
    metrics.gauge("cms_password_hashes_waiting", "Passwords that wait to be hashed.", lambda: hasher.waiting)
    metrics.counter(
        "cms_password_hashes_refused", "Requests that found the queue of passwords full.", lambda: hasher.refused
    )


def _observe_memory(metrics: Metrics, memory: AccessMemory, keeper: CacheKeeper) -> None:
    shelves: dict[str, Shelf[Any, Any]] = {
        "subjects": memory.subjects,
        "sessions": memory.sessions,
        "names": memory.ids,
        "roles": memory.closures,
        "api_keys": memory.keys,
        "service_tokens": memory.keys_of_tokens,
        "permissions": memory.permissions,
    }
    for what, shelf in shelves.items():
        _observe_shelf(metrics, what, shelf)
    metrics.gauge(
        "cms_access_cache_trusting_workers",
        "Workers that hear of every change, and so may answer from memory.",
        lambda: memory.is_trusted,
    )
    metrics.gauge(
        "cms_access_cache_heard_timestamp_seconds",
        "When the worker that has heard nothing for the longest time last heard from the database; 0: never.",
        lambda: keeper.heard_at,
        "livemin",
    )
    metrics.counter(
        "cms_access_cache_lapses", "How often a worker stopped hearing from the database.", lambda: keeper.lapses
    )


def _observe_shelf(metrics: Metrics, what: str, shelf: Shelf[Any, Any]) -> None:
    lookups = ("cms_access_cache_lookups", "What was looked up in memory while that could be trusted.")
    metrics.counter(*lookups, lambda: shelf.hits, memory=what, outcome="hit")
    metrics.counter(*lookups, lambda: shelf.misses, memory=what, outcome="miss")
    metrics.gauge("cms_access_cache_entries", "What is remembered.", lambda: len(shelf), memory=what)
