"""How this service connects to PostgreSQL: it fails fast, whatever PostgreSQL does."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from sqlalchemy.engine import make_url

from cms_service.core.config import Settings

CLIENT_TIMEOUT_MARGIN_SECONDS = 0.25
"""The server cancels a slow statement first; the client gives up only on a server that does not answer at all."""


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
    parts = make_url(url)
    host = parts.host or parts.query.get("host") or "localhost"
    return f"{host}:{parts.port or 5432}/{parts.database} as {unquote(parts.username or 'the default user')}"


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """What `asyncpg.connect` takes besides the address."""
    arguments: dict[str, Any] = {
        "timeout": settings.database_connect_timeout_seconds,
        "command_timeout": settings.database_command_timeout_seconds + CLIENT_TIMEOUT_MARGIN_SECONDS,
    }
    if is_behind_pooler(settings):
        return arguments | {"statement_cache_size": 0}
    return arguments | {
        "server_settings": {
            "application_name": "cms-service",
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": _milliseconds(settings.database_command_timeout_seconds),
            "lock_timeout": _milliseconds(settings.database_lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(10 * settings.database_command_timeout_seconds),
        }
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
