"""Access tokens: JWTs by the profile of RFC 9068, signed with Ed25519."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cms_service.core.exceptions import TokenExpired, TokenInvalid

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
FIRST_PARTY_CLIENT_ID = "cms-service"
"""RFC 9068 wants a client; who signs in with a password does so through the service's own."""
LEEWAY_SECONDS = 30
"""Clocks of replicas may differ by this much."""
MAX_CHARACTERS = 2048
COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
"""RFC 7515 §7.1. Python's decoder would let padding and any other character pass."""
REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "auth_time")


class SigningKey(msgspec.Struct, frozen=True):
    """A key pair and the time in which it signs and verifies."""

    kid: str
    private_key: Ed25519PrivateKey
    active_from: datetime
    retires_at: datetime | None

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self.private_key.public_key()

    @property
    def public_jwk(self) -> dict[str, str]:
        """As published (RFC 7517, RFC 8037)."""
        raw = self.public_key.public_bytes_raw()
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": ALGORITHM,
            "use": "sig",
            "kid": self.kid,
            "x": jwt.utils.base64url_encode(raw).decode(),
        }


class SigningKeySet:
    """The keys that are known at one moment."""

    def __init__(self, keys: Iterable[SigningKey] = ()) -> None:
        self._keys: Mapping[str, SigningKey] = MappingProxyType({key.kid: key for key in keys})
        self._verifiers = {key.kid: key.public_key for key in self._keys.values()}

    def signer(self, now: datetime) -> SigningKey | None:
        """The youngest key that is active; before any is (this clock may be slow), the one that will be first."""
        live = sorted(self._live(now), key=lambda key: (key.active_from, key.kid))
        active = [key for key in live if key.active_from <= now]
        return active[-1] if active else next(iter(live), None)

    def verifier(self, kid: str, now: datetime) -> Ed25519PublicKey | None:
        key = self._keys.get(kid)
        return self._verifiers[kid] if key and (key.retires_at is None or now < key.retires_at) else None

    def public_jwks(self, now: datetime) -> list[dict[str, str]]:
        return [key.public_jwk for key in self._live(now)]

    def _live(self, now: datetime) -> list[SigningKey]:
        return [key for key in self._keys.values() if key.retires_at is None or now < key.retires_at]


class AccessClaims(msgspec.Struct, frozen=True):
    """What a verified access token says."""

    user_id: UUID
    session_id: UUID
    authenticated_at: int
    """When the user last proved who they are (`auth_time`), in seconds since the epoch."""
    expires_at: int
    """In seconds since the epoch."""


class AccessTokenCodec:
    """Signs and verifies access tokens for one issuer, which is also the audience."""

    def __init__(self, issuer: str, lifetime_seconds: int) -> None:
        self._issuer = issuer
        self.lifetime_seconds = lifetime_seconds

    def sign(  # noqa: PLR0913 - a token is made of its claims
        self,
        key: SigningKey,
        *,
        user_id: UUID,
        session_id: UUID,
        authenticated_at: datetime,
        token_id: str,
        now: datetime,
    ) -> str:
        claims = {
            "iss": self._issuer,
            "sub": str(user_id),
            "aud": self._issuer,
            "exp": now + timedelta(seconds=self.lifetime_seconds),
            "iat": now,
            "jti": token_id,
            "client_id": FIRST_PARTY_CLIENT_ID,
            "sid": str(session_id),
            "auth_time": int(authenticated_at.timestamp()),
        }
        return jwt.encode(claims, key.private_key, ALGORITHM, headers={"kid": key.kid, "typ": TOKEN_TYPE})

    def key_id(self, token: str) -> str:
        """The key that `token` names. Nothing of the token is believed yet.

        Raises:
            TokenInvalid: it is no signed JWT of ours.
        """
        if len(token) > MAX_CHARACTERS or not COMPACT_FORM.fullmatch(token):
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenInvalid from None
        kid = header.get("kid")
        if header.keys() != {"alg", "typ", "kid"} or header["alg"] != ALGORITHM or not isinstance(kid, str):
            raise TokenInvalid
        return kid

    def verify(self, token: str, public_key: Ed25519PublicKey) -> AccessClaims:
        """What `token` says, once its signature, type, issuer, audience and times are found right.

        Raises:
            TokenExpired: all is right but its time.
            TokenInvalid: anything else.
        """
        try:
            complete = jwt.decode_complete(
                token,
                public_key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED_CLAIMS), "strict_aud": True},
            )
            payload: dict[str, Any] = complete["payload"]
            if complete["header"].get("typ") != TOKEN_TYPE or payload["client_id"] != FIRST_PARTY_CLIENT_ID:
                raise TokenInvalid
            if type(payload["auth_time"]) is not int:
                raise TokenInvalid
            return AccessClaims(UUID(payload["sub"]), UUID(payload["sid"]), payload["auth_time"], payload["exp"])
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise TokenInvalid from None
