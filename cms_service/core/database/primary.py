"""Which server this process works with, while its connections may lead to several.

During a failover, some connections of a process can lead to the new primary, and others to the old one or to a standby.
"""

import time
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func
from sqlalchemy.sql.elements import Label

IS_IN_RECOVERY: Label[bool] = func.pg_is_in_recovery().label("is_in_recovery")
SERVER: Label[datetime] = func.pg_postmaster_start_time().label("server")
"""Names one run of one server. Unlike a snapshot, it tells apart two servers that both accept writes."""

LEAVE_AT_MOST_EVERY_SECONDS = 1.0


class WrongServer(ConnectionError):
    """The connection leads to a server that must not be used: what it says may be out of date."""


class StandbyReached(WrongServer):
    """The server is in recovery: a standby, or a primary that has not finished starting."""

    def __init__(self) -> None:
        super().__init__("the server is in recovery: it is a standby")


class OtherServerReached(WrongServer):
    """The server is a primary, but not the one that the direct line leads to."""

    def __init__(self) -> None:
        super().__init__("the server is another one than CMS_DATABASE_DIRECT_URL leads to")


class ServerChanging(WrongServer):
    """The server has changed, perhaps, while the connection was being opened."""

    def __init__(self) -> None:
        super().__init__("the primary is changing")


class HasOrigin(Protocol):
    """A row with the columns `IS_IN_RECOVERY` and `SERVER`."""

    def __getitem__(self, name: str, /) -> Any: ...


class Destination(Protocol):
    """Where a connection leads."""

    epoch: int
    """That of `Primary`, when the connection was opened."""
    home: datetime | None
    """The server, as `SERVER` names it; None behind a pooler."""


class Primary:
    """The server that the cache lease of this process is from."""

    def __init__(self) -> None:
        self.epoch = 0
        """Grows whenever connections that are open may lead to a server that is no longer the primary."""
        self._server: datetime | None = None
        self._left_at = -LEAVE_AT_MOST_EVERY_SECONDS

    def follow(self, server: datetime) -> None:
        """The lease is from this server."""
        self._server = server

    def lose(self) -> None:
        """The direct line is lost: any primary may be the right one now."""
        if self._server is not None:
            self._server = None
            self.epoch += 1

    def leave(self) -> None:
        """Connections that are open now are not used again.

        Called again within a second, it has no effect: every write to a read-only database fails and comes here.
        """
        now = time.monotonic()
        if now - self._left_at >= LEAVE_AT_MOST_EVERY_SECONDS:
            self._left_at = now
            self.epoch += 1

    def is_reached_by(self, connection: Destination) -> bool:
        """Whether a connection may be used."""
        if connection.epoch != self.epoch:
            return False
        return connection.home is None or self._server is None or connection.home == self._server

    def check(self, origin: HasOrigin) -> datetime:
        """Return the server that a row came from.

        Raises:
            StandbyReached, OtherServerReached: it must not be used.
        """
        if origin["is_in_recovery"]:
            raise StandbyReached
        server: datetime = origin["server"]
        if self._server is not None and server != self._server:
            raise OtherServerReached
        return server
