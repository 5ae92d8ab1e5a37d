"""The connection pool."""

from typing import Any
from uuid import uuid4

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cms_service.core.config import Settings

CLIENT_TIMEOUT_MARGIN_SECONDS = 0.25
"""The server cancels a slow statement first; the client gives up only on a server that does not answer at all."""


def create_engine(settings: Settings) -> AsyncEngine:
    """A pool that fails fast: whatever PostgreSQL does, a request knows within about two seconds."""
    url = settings.database_url
    if url is None:
        raise ValueError("the database URL is not settled yet")
    connect_args: dict[str, Any] = {
        "timeout": settings.database_connect_timeout_seconds,
        "command_timeout": settings.database_command_timeout_seconds + CLIENT_TIMEOUT_MARGIN_SECONDS,
    }
    if settings.database_direct_url != url:
        # A pooler in between (pgbouncer in transaction mode) hands each transaction another server connection:
        # prepared statements do not survive there, and session settings are not ours to make.
        connect_args |= {
            "prepared_statement_cache_size": 0,
            "statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"cms_{uuid4().hex}",
        }
    else:
        connect_args["server_settings"] = {
            "application_name": "cms-service",
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": _milliseconds(settings.database_command_timeout_seconds),
            "lock_timeout": _milliseconds(settings.database_lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(10 * settings.database_command_timeout_seconds),
        }
    engine = create_async_engine(
        url,
        connect_args=connect_args,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_pool_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead_connection)
    return engine


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _refuse_dead_connection(dbapi_connection: Any, _entry: ConnectionPoolEntry, _proxy: Any) -> None:
    """Let the pool replace a connection that the server has closed; costs no round trip, unlike a pre-ping."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("closed by the server")
