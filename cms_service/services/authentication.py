"""From a credential to its principal."""

from collections import OrderedDict
from hashlib import sha256
from typing import Protocol

from cms_service.core.dependencies import Clock
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import AccessClaims, AccessTokenCodec, Principal, SubjectType
from cms_service.repositories import PrincipalRepository
from cms_service.services.key_ring import KeyRing

MOST_REMEMBERED_TOKENS = 10_000


class Authenticator(Protocol):
    """Whatever can tell who a bearer token belongs to."""

    async def authenticate(self, token: str) -> Principal:
        """The caller behind `token`, as it is at this moment.

        Raises:
            TokenExpired: its time is over.
            TokenInvalid: it is not ours, or its session or account no longer counts.
        """


class AccessTokenAuthenticator:
    """Verifies access tokens, and asks the database on every request what their callers may do.

    A signature that was right stays right for as long as its key does: it is verified once, and remembered by the
    digest of its token. Whether the session still counts is never remembered.
    """

    def __init__(
        self, key_ring: KeyRing, access_tokens: AccessTokenCodec, principals: PrincipalRepository, clock: Clock
    ) -> None:
        self._key_ring = key_ring
        self._access_tokens = access_tokens
        self._principals = principals
        self._clock = clock
        self._verified: OrderedDict[bytes, AccessClaims] = OrderedDict()

    async def authenticate(self, token: str) -> Principal:
        """See `Authenticator`."""
        digest = sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is None or not self._still_counts(claims):
            claims = await self._verify(token)
            self._remember(digest, claims)
        permissions = await self._principals.find_permissions(claims.user_id, claims.session_id)
        if permissions is None:
            raise TokenInvalid("The session of this token has ended.")
        return Principal(
            subject_type=SubjectType.user,
            subject_id=claims.user_id,
            permissions=permissions,
            session_id=claims.session_id,
            authenticated_at=claims.authenticated_at,
        )

    async def _verify(self, token: str) -> AccessClaims:
        key = await self._key_ring.verifier(self._access_tokens.key_id(token))
        if key is None:
            raise TokenInvalid
        return self._access_tokens.verify(token, key)

    def _still_counts(self, claims: AccessClaims) -> bool:
        return claims.expires_at > self._clock.now().timestamp() and self._key_ring.knows(claims.key_id)

    def _remember(self, digest: bytes, claims: AccessClaims) -> None:
        self._verified[digest] = claims
        if len(self._verified) > MOST_REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
