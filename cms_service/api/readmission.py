"""Authenticating and authorizing a request again, after it had to wait."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar import Request
from litestar.types import Scope

Authenticate: TypeAlias = Callable[[Scope], Awaitable[None]]
"""Puts the caller on the connection, as `AuthenticationMiddleware` does."""


class Readmission:
    """Looks at the caller again: its session, its account or its roles may have ended meanwhile."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def readmit(self, request: Request[Any, Any, Any]) -> None:
        """Return where the request would be admitted now. Raises as authentication and the guards of the route do."""
        await self._authenticate(request.scope)
        for guard in request.route_handler.resolve_guards():
            await guard(request, request.route_handler)  # type: ignore[misc]  # All of ours are coroutines.
