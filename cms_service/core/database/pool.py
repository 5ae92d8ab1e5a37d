"""What can be told of a pool of connections, whichever it is."""

from typing import Any, Protocol

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection


class ConnectionPool(Protocol):
    """The connections of one process for one purpose."""

    waiting: int
    """Statements or units of work that wait for a connection."""
    timeouts: int
    """How often that took too long."""

    @property
    def limit(self) -> int:
        """How many connections there may be."""

    @property
    def opened(self) -> int:
        """How many there are."""

    @property
    def busy(self) -> int:
        """How many of them are in use."""


class WatchedPool(AsyncAdaptedQueuePool):
    """The pool of SQLAlchemy, which knows besides who waits for it. See `ConnectionPool`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.waiting = 0
        self.timeouts = 0

    @property
    def limit(self) -> int:
        return self.size()

    @property
    def opened(self) -> int:
        return self.checkedin() + self.busy

    @property
    def busy(self) -> int:
        return self.checkedout()

    def connect(self) -> PoolProxiedConnection:
        """See `Pool`."""
        is_waiting = self.busy >= self.limit
        self.waiting += is_waiting
        try:
            return super().connect()
        except PoolTimeoutError:
            self.timeouts += 1
            raise
        finally:
            self.waiting -= is_waiting


def pool_of(engine: AsyncEngine) -> ConnectionPool:
    """The pool of an engine that `create_engine` made."""
    pool = engine.pool
    assert isinstance(pool, WatchedPool), "create_engine says so"  # noqa: S101 - for the type checker
    return pool
