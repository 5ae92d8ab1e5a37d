"""Authenticating and authorizing a request again, after it had to wait."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar import Request
from litestar.types import Scope

from cms_service.api.guarding import authorize

Authenticate: TypeAlias = Callable[[Scope], Awaitable[None]]
"""Puts the caller on the connection, as `AuthenticationMiddleware` does."""


class Readmission:
    """Looks at the caller again: its session, its account or its roles may have ended meanwhile."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def readmit(self, request: Request[Any, Any, Any]) -> bool:
        """Return whether the caller can do something else now than when it was last admitted.

        Raises as authentication and the guards of the route do, where the request would not be admitted now.
        """
        before = request.scope["user"]
        await self._authenticate(request.scope)
        await authorize(request.route_handler, request)
        return bool(request.scope["user"] != before)
