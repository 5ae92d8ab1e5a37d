"""Authenticating and authorizing a request again, after it had to wait."""

from typing import Any

from litestar import Request

from cms_service.api.authentication import Authentication
from cms_service.api.litestar_seam import guards_of


class Readmission:
    """Look at the caller again: its session, its account or its roles may have ended meanwhile."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    async def readmit(self, request: Request[Any, Any, Any]) -> bool:
        """Return whether the caller can do something else now than when it was last admitted.

        Raises as authentication and the guards of the route do, where the request would not be admitted now.
        """
        before, handler = request.scope["user"], request.route_handler
        for guard in guards_of(handler):
            # It reads on connections of its own.
            again = self._authentication if isinstance(guard, Authentication) else guard
            await again(request, handler)
        return bool(request.scope["user"] != before)
