"""From the credential on the request to the principal on the connection."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from cms_service.api.client_authentication import BASIC, authorization_values, client_in_header, credentials_in
from cms_service.api.on_behalf_of import is_honoured, user_tokens_of
from cms_service.core.exceptions import AuthenticationRequired, InvalidClient, TokenExpired, TokenInvalid
from cms_service.core.security import API_KEY_PREFIX, Principal
from cms_service.services import Authenticator

OPTIONAL = "optional_credential"
"""Key of `opt`: a credential that does not verify counts as none."""


class Authentication:
    """Verify the bearer token (RFC 6750, section 2.1), as the first guard of every route.

    A request without one continues as anonymous; the guards that follow decide about it.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await self.authenticate(connection.scope)

    async def authenticate(self, scope: Scope) -> None:
        """Put the principal on the connection, or None where there is no credential.

        Raises:
            AuthenticationRequired, TokenExpired, TokenInvalid: a credential does not verify, and the route needs one.
            PermissionDenied: somebody who is no service account would act on behalf of a user.
        """
        opt = scope["route_handler"].opt
        scope["user"] = None
        if not is_honoured(opt):
            return
        try:
            scope["user"] = await self._principal(scope)
            if user_tokens := user_tokens_of(scope):
                scope["user"] = await self._user_behind(scope["user"], user_tokens)
        except (AuthenticationRequired, TokenExpired, TokenInvalid):
            scope["user"] = None
            if not opt.get(OPTIONAL):
                raise

    async def _principal(self, scope: Scope) -> Principal | None:
        values = authorization_values(scope)
        if not values:
            return None
        scheme, token = credentials_in(values[0])
        if scheme == b"basic" and scope["route_handler"].opt.get(BASIC):
            return await self._client(scope)
        if len(values) > 1 or scheme != b"bearer" or not token.isascii():
            raise AuthenticationRequired("Send one Authorization header, with the scheme Bearer.")
        return await self._authenticator.authenticate(token.decode())

    async def _client(self, scope: Scope) -> Principal:
        try:
            client = client_in_header(scope)
        except InvalidClient as error:
            raise AuthenticationRequired(error.description) from None
        if client is None:
            raise AuthenticationRequired
        if not client.client_secret.startswith(API_KEY_PREFIX):
            raise TokenInvalid("This is no API key.")
        principal = await self._authenticator.authenticate(client.client_secret)
        if client.client_id != str(principal.subject_id):
            raise TokenInvalid("The client_id and the key do not belong together.")
        return principal

    async def _user_behind(self, caller: Principal | None, tokens: list[bytes]) -> Principal:
        if caller is None:
            raise AuthenticationRequired("X-On-Behalf-Of needs a credential of a service account beside it.")
        if len(tokens) > 1 or not tokens[0].isascii():
            raise TokenInvalid("Send one access token of a user in X-On-Behalf-Of.")
        return await self._authenticator.authenticate_on_behalf(caller, tokens[0].decode())
