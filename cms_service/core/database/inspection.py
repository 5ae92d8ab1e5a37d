"""What a PostgreSQL says about itself. Nothing is changed, and nothing needs to be migrated."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec

from cms_service.core.database.connecting import UnreadableFile, connect, connect_to_primary, shown_address
from cms_service.core.database.primary import StandbyReached

MEASUREMENTS = 5
"""Of the clock; the quickest answer tells the time best."""

FACTS = """
SELECT current_setting('server_version_num')::int / 10000 AS major_version,
       current_setting('server_version') AS version,
       pg_backend_pid() AS backend_pid,
       (SELECT oid FROM pg_database WHERE datname = current_database())
           || ' ' || extract(epoch FROM pg_postmaster_start_time()) AS identity,
       current_setting('transaction_read_only') = 'off' AS is_writable,
       current_setting('server_encoding') AS encoding,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS server_limit,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
       coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted,
       coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1', true) AS is_local,
       to_regclass('alembic_version') IS NOT NULL AS has_revision,
       -- A schema that the role may not use is left out of its search path.
       current_schema() IS NOT NULL
           AND coalesce(has_table_privilege(to_regclass('alembic_version'), 'SELECT'), true) AS is_granted
"""


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One server, seen through one address."""

    address: str
    """Without the password."""
    identity: str
    """The same for two addresses that lead to the same database."""
    version: str
    major_version: int
    encoding: str
    is_writable: bool
    is_granted: bool
    """Whether the role may read as far as to the revision."""
    is_pooled: bool
    """Whether something like pgbouncer stands in between."""
    is_encrypted: bool
    is_local: bool
    is_heard: bool
    """Whether LISTEN works."""
    connection_limit: int
    """How many connections the service may have there, together with everybody else."""
    clock_ahead_seconds: float
    """How much ours is ahead of the server's."""
    clock_uncertainty_seconds: float
    revision: str | None
    """None also where the role may not read it."""


class Unreachable(msgspec.Struct, frozen=True):
    """No connection could be made."""

    address: str
    reason: str
    is_refused: bool = False
    """Whether PostgreSQL answered, and lets others in."""
    is_local: bool = False
    """Whether this machine is the reason."""


async def inspect_server(url: str, timeout_seconds: float, now: Callable[[], datetime]) -> ServerFacts | Unreachable:
    """Looks at the server behind `url`; each answer may take `timeout_seconds`."""
    try:
        connection = await _connect(url, timeout_seconds)
        try:
            return await _inspect(connection, shown_address(url), timeout_seconds, now)
        finally:
            connection.terminate()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error).strip().partition("\n")[0] or f"no answer within {timeout_seconds:g} seconds"
        return Unreachable(
            shown_address(url),
            reason,
            is_refused=isinstance(error, asyncpg.InsufficientPrivilegeError),
            is_local=isinstance(error, UnreadableFile),
        )


async def _connect(url: str, timeout_seconds: float) -> asyncpg.Connection:
    """To the primary of several hosts, if one is; what is wrong with another server is told, too."""
    limits = {"timeout": timeout_seconds, "command_timeout": timeout_seconds}
    arguments: dict[str, Any] = {**limits, "statement_cache_size": 0}
    try:
        return await connect_to_primary(url, **arguments)
    except StandbyReached:
        return await connect(url, **arguments)


async def _inspect(
    connection: asyncpg.Connection, address: str, timeout_seconds: float, now: Callable[[], datetime]
) -> ServerFacts:
    row = await connection.fetchrow(FACTS)
    assert row is not None  # noqa: S101 - for the type checker
    ahead, uncertainty = min(
        [await _compare_clocks(connection, now) for _ in range(MEASUREMENTS)], key=lambda it: it[1]
    )
    # A pooler answers for many servers, so it gives its clients numbers of its own.
    is_pooled = row["backend_pid"] != connection.get_server_pid()
    is_known = row["has_revision"] and row["is_granted"]
    revision = await connection.fetchval("SELECT version_num FROM alembic_version") if is_known else None
    return ServerFacts(
        address=address,
        identity=row["identity"],
        version=row["version"],
        major_version=row["major_version"],
        encoding=row["encoding"],
        is_writable=row["is_writable"],
        is_granted=row["is_granted"],
        is_pooled=is_pooled,
        is_encrypted=row["is_encrypted"],
        is_local=row["is_local"],
        # Through a pooler, somebody else would go on listening.
        is_heard=not is_pooled and await _is_heard(connection, timeout_seconds),
        connection_limit=min(
            limit for limit in (row["server_limit"], row["role_limit"], row["database_limit"]) if limit >= 0
        ),
        clock_ahead_seconds=ahead,
        clock_uncertainty_seconds=uncertainty,
        revision=revision,
    )


async def _compare_clocks(connection: asyncpg.Connection, now: Callable[[], datetime]) -> tuple[float, float]:
    asked_at = now()
    theirs = await connection.fetchval("SELECT clock_timestamp()")
    answered_at = now()
    half = (answered_at - asked_at) / 2
    return (asked_at + half - theirs).total_seconds(), half.total_seconds()


async def _is_heard(connection: asyncpg.Connection, timeout_seconds: float) -> bool:
    channel, is_called = f"cms_doctor_{uuid4().hex}", asyncio.Event()
    await connection.add_listener(channel, lambda *_: is_called.set())
    await connection.execute(f"NOTIFY {channel}")
    try:
        async with asyncio.timeout(timeout_seconds):
            await is_called.wait()
    except TimeoutError:
        return False
    return True
