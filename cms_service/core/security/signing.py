"""Access tokens: JWTs by the profile of RFC 9068, signed with Ed25519 or with ECDSA on P-256."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cms_service.core.config import SigningAlgorithm
from cms_service.core.exceptions import TokenExpired, TokenInvalid

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
FIRST_PARTY_CLIENT_ID = "cms-service"
"""RFC 9068 wants a client; who signs in with a password does so through the service's own."""
LEEWAY_SECONDS = 30
"""Clocks of replicas may differ by this much."""
MAX_CHARACTERS = 2048
COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
"""RFC 7515 §7.1. Python's decoder would let padding and any other character pass."""
REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")
API_KEY_CLAIM = "api_key_id"
"""Of the tokens of service accounts: the key that was exchanged for the token."""
SERVICE_TOKEN_LIFETIME = timedelta(minutes=10)
COORDINATE_BYTES = 32
"""Of a point on P-256, and as many of a private key of either kind."""

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey


def new_private_key(algorithm: SigningAlgorithm) -> bytes:
    """32 bytes: the private key of RFC 8032 §5.1.5, or the big-endian scalar of RFC 5915."""
    match algorithm:
        case SigningAlgorithm.EDDSA:
            return Ed25519PrivateKey.generate().private_bytes_raw()
        case SigningAlgorithm.ES256:
            return generate_private_key(SECP256R1()).private_numbers().private_value.to_bytes(COORDINATE_BYTES)


def load_private_key(algorithm: SigningAlgorithm, private_key: bytes) -> PrivateKey:
    """What `new_private_key` made. Raises ValueError where it made it for another algorithm or not at all."""
    match algorithm:
        case SigningAlgorithm.EDDSA:
            return Ed25519PrivateKey.from_private_bytes(private_key)
        case SigningAlgorithm.ES256:
            return derive_private_key(int.from_bytes(private_key), SECP256R1())


class SigningKey(msgspec.Struct, frozen=True):
    """A key pair and the time in which it signs and verifies."""

    kid: str
    algorithm: SigningAlgorithm
    private_key: PrivateKey
    active_from: datetime
    retires_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether tokens that it signed count."""
        return self.retires_at is None or now < self.retires_at


class VerificationKey(msgspec.Struct, frozen=True):
    """What it takes to verify the tokens of one signing key, and only by its own algorithm."""

    kid: str
    algorithm: SigningAlgorithm
    public_key: PublicKey

    @property
    def jwk(self) -> dict[str, str]:
        """As published (RFC 7517; RFC 8037 §2, RFC 7518 §6.2)."""
        names = {"alg": self.algorithm.value, "use": "sig", "kid": self.kid}
        if isinstance(self.public_key, Ed25519PublicKey):
            return {"kty": "OKP", "crv": "Ed25519", **names, "x": _base64url(self.public_key.public_bytes_raw())}
        numbers = self.public_key.public_numbers()
        x, y = (_base64url(number.to_bytes(COORDINATE_BYTES)) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", **names, "x": x, "y": y}


class SigningKeySet:
    """The keys that are known at one moment."""

    def __init__(self, keys: Iterable[SigningKey] = ()) -> None:
        self._keys = {key.kid: key for key in keys}
        self._verifiers = {
            key.kid: VerificationKey(key.kid, key.algorithm, key.private_key.public_key())
            for key in self._keys.values()
        }
        self._jwks = {kid: verifier.jwk for kid, verifier in self._verifiers.items()}

    def signer(self, now: datetime) -> SigningKey | None:
        """The youngest key that is active; before any is (this clock may be slow), the one that will be first."""
        live = sorted(self._live(now), key=lambda key: (key.active_from, key.kid))
        active = [key for key in live if key.active_from <= now]
        return active[-1] if active else next(iter(live), None)

    def verifier(self, kid: str, now: datetime) -> VerificationKey | None:
        key = self._keys.get(kid)
        return self._verifiers[kid] if key and key.is_live(now) else None

    def public_jwks(self, now: datetime) -> list[dict[str, str]]:
        """Every key that verifies, in the order in which they were given."""
        return [self._jwks[key.kid] for key in self._live(now)]

    def _live(self, now: datetime) -> list[SigningKey]:
        return [key for key in self._keys.values() if key.is_live(now)]


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified access token says, whoever it belongs to. Instants are in seconds since the epoch."""

    token_id: str
    issued_at: int
    expires_at: int
    key_id: str
    """The signing key. The token counts for as long as that one does."""


class UserClaims(AccessClaims, frozen=True, kw_only=True):
    """What the access token of a session says."""

    user_id: UUID
    session_id: UUID
    authenticated_at: int
    """When the user last proved who they are (`auth_time`)."""


class ServiceClaims(AccessClaims, frozen=True, kw_only=True):
    """What the access token of a service account says."""

    service_account_id: UUID
    api_key_id: UUID
    """The key that was exchanged for it. The token counts for as long as that one does."""

    @property
    def jti(self) -> UUID:
        """The id of the token, under which it can be revoked."""
        return UUID(self.token_id)


_JWS = jwt.PyJWS()


class AccessTokenCodec:
    """Signs and verifies access tokens for one issuer, which is also the audience."""

    def __init__(self, issuer: str, lifetime_seconds: int) -> None:
        self.issuer = issuer
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
        """The access token of a user's session."""
        return self._sign(
            key,
            sub=str(user_id),
            exp=int(now.timestamp()) + self.lifetime_seconds,
            iat=int(now.timestamp()),
            jti=token_id,
            client_id=FIRST_PARTY_CLIENT_ID,
            sid=str(session_id),
            auth_time=int(authenticated_at.timestamp()),
        )

    def sign_for_service(  # noqa: PLR0913 - a token is made of its claims
        self,
        key: SigningKey,
        *,
        service_account_id: UUID,
        api_key_id: UUID,
        token_id: UUID,
        now: datetime,
        expires_at: datetime,
    ) -> str:
        """The access token of a service account, which is its own client (RFC 9068 §2.2)."""
        return self._sign(
            key,
            sub=str(service_account_id),
            exp=int(expires_at.timestamp()),
            iat=int(now.timestamp()),
            jti=str(token_id),
            client_id=str(service_account_id),
            **{API_KEY_CLAIM: str(api_key_id)},
        )

    def _sign(self, key: SigningKey, **claims: Any) -> str:
        # `jwt.encode` would encode the claims with the encoder of the standard library, which takes 20 µs longer.
        claims_set = msgspec.json.encode({"iss": self.issuer, "aud": self.issuer, **claims})
        header = {"kid": key.kid, "typ": TOKEN_TYPE}
        return _JWS.encode(claims_set, key.private_key, key.algorithm, headers=header)

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
        if header.keys() != {"alg", "typ", "kid"} or not isinstance(kid, str):
            raise TokenInvalid
        return kid

    def verify(self, token: str, key: VerificationKey) -> UserClaims | ServiceClaims:
        """What `token` says, once its algorithm, signature, type, issuer, audience and times are found right.

        The algorithm is that of the key which the token names, whatever the token says about it (RFC 8725 §3.1).

        Raises:
            TokenExpired: all is right but its time.
            TokenInvalid: anything else.
        """
        try:
            complete = jwt.decode_complete(
                token,
                key.public_key,
                algorithms=[key.algorithm],
                issuer=self.issuer,
                audience=self.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED_CLAIMS), "strict_aud": True},
            )
            payload: dict[str, Any] = complete["payload"]
            header: dict[str, Any] = complete["header"]
            if header != {"alg": key.algorithm, "typ": TOKEN_TYPE, "kid": key.kid}:
                raise TokenInvalid
            return _claims_of(payload, key.kid)
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
            raise TokenInvalid from None


def _claims_of(payload: dict[str, Any], key_id: str) -> UserClaims | ServiceClaims:
    """Raises KeyError, ValueError, TypeError or AttributeError where the claims are those of neither kind."""
    issued: dict[str, Any] = {
        "token_id": payload["jti"],
        "issued_at": payload["iat"],
        "expires_at": payload["exp"],
        "key_id": key_id,
    }
    if payload["client_id"] == FIRST_PARTY_CLIENT_ID:
        if type(payload["auth_time"]) is not int:
            raise TypeError
        return UserClaims(
            user_id=UUID(payload["sub"]),
            session_id=UUID(payload["sid"]),
            authenticated_at=payload["auth_time"],
            **issued,
        )
    if payload["client_id"] != payload["sub"] or payload["jti"] != str(UUID(payload["jti"])):
        raise ValueError
    return ServiceClaims(service_account_id=UUID(payload["sub"]), api_key_id=UUID(payload[API_KEY_CLAIM]), **issued)


def _base64url(data: bytes) -> str:
    return jwt.utils.base64url_encode(data).decode()
