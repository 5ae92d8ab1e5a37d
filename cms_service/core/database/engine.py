"""The connection pool of units of work."""

from asyncio import CancelledError
from typing import Any
from uuid import uuid4

from sqlalchemy import ExceptionContext, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cms_service.core.config import Settings
from cms_service.core.database.connecting import connect_arguments, is_behind_pooler
from cms_service.core.database.pool import WatchedPool


def create_engine(settings: Settings) -> AsyncEngine:
    """A pool that nobody waits for longer than the settings say."""
    url = settings.database_url
    if url is None:
        raise ValueError("the database URL is not settled yet")
    arguments = connect_arguments(settings)
    if is_behind_pooler(settings):
        arguments |= {
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"cms_{uuid4().hex}",
        }
    engine = create_async_engine(
        url,
        connect_args=arguments,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        poolclass=WatchedPool,
        pool_timeout=settings.database_pool_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead_connection)
    event.listen(engine.sync_engine, "handle_error", _leave_silent_connection)
    return engine


def for_reading(engine: AsyncEngine) -> AsyncEngine:
    """The same pool without transactions, which saves work that only reads two round trips. Make it once."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def read_only(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, whose transactions PostgreSQL lets change nothing."""
    return engine.execution_options(postgresql_readonly=True)


def _refuse_dead_connection(dbapi_connection: Any, _entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """Let the pool replace a connection that the server has closed; costs no round trip, unlike a pre-ping."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("closed by the server")


def _leave_silent_connection(context: ExceptionContext) -> None:
    """Give up a connection in the middle of a statement at once: a ROLLBACK would wait as long again for its answer."""
    connection = context.connection
    is_given_up = isinstance(context.original_exception, TimeoutError | CancelledError)
    if is_given_up and connection is not None and not connection.invalidated:
        driver_connection: Any = connection.connection.driver_connection
        driver_connection.terminate()
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
