"""How this service connects to PostgreSQL: it fails fast, whatever PostgreSQL does."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy import select

from cms_service.core.config import Settings
from cms_service.core.database.connection import PostgresConnection
from cms_service.core.database.primary import IS_IN_RECOVERY, SERVER, Primary, ServerChanging, StandbyReached

CLIENT_TIMEOUT_MARGIN_SECONDS = 0.25
"""The server cancels a slow statement first; the client gives up only on a server that does not answer at all."""


ORIGIN = str(select(IS_IN_RECOVERY, SERVER))
"""The query for `Primary.check`."""


class UnreadableFile(ConnectionError):
    """A file on this machine is the problem, not PostgreSQL."""

    def __init__(self, path: str) -> None:
        super().__init__(f"this user may not read {path}, where the driver looks for keys and certificates")


ATTEMPTS = 3
"""To open a connection, while the server is changing."""


def is_behind_pooler(settings: Settings) -> bool:
    """Whether something like pgbouncer, in transaction mode, stands in between.

    It hands each transaction another server connection: prepared statements do not survive there, and the settings of a
    session are not ours to make.
    """
    return settings.database_direct_url != settings.database_url


def driver_url(url: str) -> str:
    """The same address as asyncpg reads it: scheme and `sslmode` have other names in SQLAlchemy's URLs."""
    address, _, query = url.removeprefix("postgresql+asyncpg").partition("?")
    options = {"sslmode" if name == "ssl" else name: value for name, value in parse_qsl(query)}
    return f"postgresql{address}" + (f"?{urlencode(options, safe='/')}" if options else "")


def shown_address(url: str) -> str:
    """As an operator reads it, without the password and without what else a URL may carry."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    account, _, hosts = parts.netloc.rpartition("@")
    port = options.get("port", "5432")
    shown = [_with_port(host, port) for host in (hosts or options.get("host", "localhost")).split(",")]
    user = unquote(account.partition(":")[0]) or "the default user"
    return f"{','.join(shown)}/{unquote(parts.path.lstrip('/'))} as {user}"


def _with_port(host: str, port: str) -> str:
    """An IPv6 address has colons of its own, within brackets."""
    return host if host.rpartition("]")[2].count(":") == 1 else f"{host}:{port}"


async def open_connection(settings: Settings, primary: Primary, purpose: str) -> PostgresConnection:
    """A connection to the primary. `purpose` is shown in `pg_stat_activity`.

    Raises:
        WrongServer: the address leads to a standby, or to another server than the direct line does.
        TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as the driver does.
    """
    url, arguments = settings.database_url or "", _arguments(settings, purpose)
    for _ in range(ATTEMPTS):
        epoch = primary.epoch
        if is_behind_pooler(settings):
            # A pooler may choose another server for each transaction, so it would say nothing to ask now.
            connection = await connect(url, **arguments)
        else:
            connection = await connect_to_primary(url, **arguments)
            try:
                [origin] = await connection.fetch(ORIGIN)
                connection.home = connection.server = primary.check(origin)
            except BaseException:
                connection.give_up()
                raise
        if primary.epoch == epoch:
            connection.epoch = epoch
            return connection
        # The address may have moved while the connection was being opened.
        connection.give_up()
    raise ServerChanging


async def connect_to_primary(url: str, **arguments: Any) -> PostgresConnection:
    """A connection to a server that is not in recovery, of the hosts of the URL. Raises as `open_connection` does."""
    try:
        # A server does not go back into recovery without ending its connections: to ask once is enough.
        return await connect(url, SessionAttribute.primary, **arguments)
    except TargetServerAttributeNotMatched as error:
        raise StandbyReached from error


async def connect(url: str, target: SessionAttribute = SessionAttribute.any, **arguments: Any) -> PostgresConnection:
    """A connection to a server of this kind.

    Raises:
        UnreadableFile: the driver looks for keys and certificates in a place that this user may not read.
        TargetServerAttributeNotMatched, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError: as the
            driver does.
    """
    try:
        return await asyncpg.connect(
            driver_url(url), connection_class=PostgresConnection, target_session_attrs=target, **arguments
        )
    except PermissionError as error:
        if error.filename is None:
            raise
        raise UnreadableFile(error.filename) from error


def _arguments(settings: Settings, purpose: str) -> dict[str, Any]:
    """What `asyncpg.connect` takes besides the address."""
    arguments: dict[str, Any] = {
        "timeout": settings.database_connect_timeout_seconds,
        "command_timeout": settings.database_command_timeout_seconds + CLIENT_TIMEOUT_MARGIN_SECONDS,
    }
    if is_behind_pooler(settings):
        return arguments | {"statement_cache_size": 0}
    return arguments | {
        "server_settings": {
            "application_name": purpose,
            "timezone": "UTC",
            "jit": "off",
            # The code is written for this one; the database or the role may have another default.
            "default_transaction_isolation": "read committed",
            "statement_timeout": _milliseconds(settings.database_command_timeout_seconds),
            "lock_timeout": _milliseconds(settings.database_lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(10 * settings.database_command_timeout_seconds),
        }
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
