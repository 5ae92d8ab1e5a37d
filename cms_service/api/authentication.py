"""From the credential on the request to the principal on the connection."""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from cms_service.core.exceptions import AuthenticationRequired, TokenExpired, TokenInvalid
from cms_service.core.security import PUBLIC, Principal
from cms_service.services import Authenticator

OPTIONAL = "optional_credential"
"""Key of `opt`: a credential that does not verify counts as none."""


class AuthenticationMiddleware(ASGIMiddleware):
    """Verifies the bearer token (RFC 6750 §2.1). A request without one goes on as nobody's; guards decide about it."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        await self.authenticate(scope)
        await next_app(scope, receive, send)

    async def authenticate(self, scope: Scope) -> None:
        """Puts the principal on the connection, or None where there is no credential.

        Raises:
            AuthenticationRequired, TokenExpired, TokenInvalid: the credential does not verify, and the route needs one.
        """
        opt = scope["route_handler"].opt
        scope["user"] = None
        if not opt.get(PUBLIC):
            try:
                scope["user"] = await self._principal(scope)
            except (AuthenticationRequired, TokenExpired, TokenInvalid):
                if not opt.get(OPTIONAL):
                    raise

    async def _principal(self, scope: Scope) -> Principal | None:
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        if not values:
            return None
        scheme, _, token = values[0].partition(b" ")
        if len(values) > 1 or scheme.lower() != b"bearer" or not token.isascii():
            raise AuthenticationRequired("Send one Authorization header, with the scheme Bearer.")
        return await self._authenticator.authenticate(token.decode())
