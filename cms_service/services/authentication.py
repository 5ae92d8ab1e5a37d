"""From a credential to its principal."""

from typing import Protocol

from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import AccessTokenCodec, Principal
from cms_service.repositories import PrincipalRepository
from cms_service.services.key_ring import KeyRing


class Authenticator(Protocol):
    """Whatever can tell who a bearer token belongs to."""

    async def authenticate(self, token: str) -> Principal:
        """The caller behind `token`, as it is at this moment.

        Raises:
            TokenExpired: its time is over.
            TokenInvalid: it is not ours, or its session or account no longer counts.
        """


class AccessTokenAuthenticator:
    """Verifies access tokens and asks the database what their callers may do, on every request."""

    def __init__(self, key_ring: KeyRing, access_tokens: AccessTokenCodec, principals: PrincipalRepository) -> None:
        self._key_ring = key_ring
        self._access_tokens = access_tokens
        self._principals = principals

    async def authenticate(self, token: str) -> Principal:
        """See `Authenticator`."""
        public_key = await self._key_ring.verifier(self._access_tokens.key_id(token))
        if public_key is None:
            raise TokenInvalid
        claims = self._access_tokens.verify(token, public_key)
        permissions = await self._principals.find_permissions(claims.user_id, claims.session_id)
        if permissions is None:
            raise TokenInvalid("The session of this token has ended.")
        return Principal(claims.user_id, claims.session_id, permissions)
