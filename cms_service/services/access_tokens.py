"""Reading access tokens."""

from collections import OrderedDict
from hashlib import sha256

from cms_service.core.dependencies import Clock
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import AccessTokenCodec, ServiceClaims, UserClaims
from cms_service.services.key_ring import KeyRing

MOST_REMEMBERED_TOKENS = 10_000


class AccessTokenReader:
    """Verifies access tokens. Whether what they speak of still counts, they cannot tell.

    A signature that was right stays right for as long as its key does: it is verified once, and remembered by the
    digest of its token.
    """

    def __init__(self, key_ring: KeyRing, access_tokens: AccessTokenCodec, clock: Clock) -> None:
        self._key_ring = key_ring
        self._access_tokens = access_tokens
        self._clock = clock
        self._verified: OrderedDict[bytes, UserClaims | ServiceClaims] = OrderedDict()
        self.hits = 0
        self.misses = 0

    async def read(self, token: str) -> UserClaims | ServiceClaims:
        """What the token says.

        Raises:
            TokenExpired: its time is over.
            TokenInvalid: it is not ours.
        """
        digest = sha256(token.encode()).digest()
        claims = self._verified.get(digest)
        if claims is not None and self.still_counts(claims):
            self.hits += 1
            return claims
        self.misses += 1
        claims = await self._verify(token)
        self._remember(digest, claims)
        return claims

    def still_counts(self, claims: UserClaims | ServiceClaims) -> bool:
        """Whether a token that was verified before has not expired, and its key has not been retired."""
        return claims.expires_at > self._clock.now().timestamp() and self._key_ring.knows(claims.key_id)

    def __len__(self) -> int:
        return len(self._verified)

    async def _verify(self, token: str) -> UserClaims | ServiceClaims:
        key = await self._key_ring.verifier(self._access_tokens.key_id(token))
        if key is None:
            raise TokenInvalid
        return self._access_tokens.verify(token, key)

    def _remember(self, digest: bytes, claims: UserClaims | ServiceClaims) -> None:
        self._verified[digest] = claims
        if len(self._verified) > MOST_REMEMBERED_TOKENS:
            self._verified.popitem(last=False)
