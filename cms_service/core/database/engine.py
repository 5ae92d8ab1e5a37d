"""The connection pool of units of work."""

from asyncio import CancelledError
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import Connection, ExceptionContext, event, select
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cms_service.core.config import Settings
from cms_service.core.database.connecting import is_behind_pooler, open_connection
from cms_service.core.database.connection import PostgresConnection
from cms_service.core.database.pool import WatchedPool
from cms_service.core.database.primary import IS_IN_RECOVERY, SERVER, Primary, ServerChanging

_ORIGIN = select(IS_IN_RECOVERY, SERVER)


def create_engine(settings: Settings, primary: Primary | None = None) -> AsyncEngine:
    """A pool that nobody waits for longer than the settings say. All its connections lead to the primary."""
    if settings.database_url is None:
        raise ValueError("the database URL is not settled yet")
    primary = primary or Primary()
    arguments: dict[str, Any] = {"async_creator_fn": partial(open_connection, settings, primary, "cms-service")}
    options: dict[str, Any] = {}
    if is_behind_pooler(settings):
        # Statements without a name end with the next one: nothing is left behind on connections of the pooler.
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
        # Where the settings of a session are not ours to make, each transaction says so itself.
        options["isolation_level"] = "READ COMMITTED"
    engine = create_async_engine(
        # The address is not among the arguments: `async_creator_fn` knows it.
        "postgresql+asyncpg://",
        connect_args=arguments,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        poolclass=WatchedPool,
        pool_timeout=settings.database_pool_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "checkout", partial(_refuse_useless_connection, primary))
    event.listen(engine.sync_engine, "handle_error", partial(_leave_useless_connection, primary))
    if is_behind_pooler(settings):
        event.listen(engine.sync_engine, "begin", partial(_refuse_wrong_server, primary))
    return engine


def for_reading(engine: AsyncEngine, settings: Settings) -> AsyncEngine:
    """The same pool without transactions, which saves work that only reads two round trips. Make it once.

    Behind a pooler with them: each statement alone could go to another server.
    """
    return engine if is_behind_pooler(settings) else engine.execution_options(isolation_level="AUTOCOMMIT")


def read_only(engine: AsyncEngine) -> AsyncEngine:
    """The same pool, whose transactions PostgreSQL lets change nothing."""
    return engine.execution_options(postgresql_readonly=True)


def driver_connection_of(connection: Any) -> PostgresConnection:
    """The connection of the driver under one of SQLAlchemy's or of its pool."""
    driver_connection = connection.driver_connection
    assert isinstance(driver_connection, PostgresConnection), "open_connection makes it"  # noqa: S101 - for the type checker
    return driver_connection


def _refuse_useless_connection(
    primary: Primary, dbapi_connection: Any, _entry: ConnectionPoolEntry, _proxy: Any
) -> None:
    """Let the pool replace a connection that is closed or may lead to the wrong server.

    It costs no round trip, unlike a pre-ping.
    """
    connection = driver_connection_of(dbapi_connection)
    is_new, connection.is_new = connection.is_new, False
    if not primary.is_reached_by(connection):
        connection.give_up()
    if connection.is_given_up or connection.is_closed():
        # SQLAlchemy opens another one, but takes the second refusal for a mistake of ours.
        raise ServerChanging if is_new else DisconnectionError("closed, or opened before the last failover")


def _leave_useless_connection(primary: Primary, context: ExceptionContext) -> None:
    """Give up a connection in the middle of a statement at once: a ROLLBACK would wait as long again for its answer.

    Give it up as well when the server cannot write: the session may stay read-only although the server is not any more.
    """
    connection = context.connection
    error = context.original_exception
    is_silent = isinstance(error, TimeoutError | CancelledError)
    is_read_only = isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError)
    if not (is_silent or is_read_only) or connection is None or connection.invalidated:
        return
    if is_read_only:
        primary.leave()
    driver_connection_of(connection.connection).give_up()
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = False


def _refuse_wrong_server(primary: Primary, connection: Connection) -> None:
    """Behind a pooler, each transaction may be on another server. Raises WrongServer."""
    origin = connection.execute(_ORIGIN).mappings().one()
    driver_connection_of(connection.connection).server = primary.check(origin)
