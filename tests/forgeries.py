"""Access tokens as an attacker would make them, who knows everything but our private keys."""

import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from cms_service.core.config import SigningAlgorithm
from cms_service.core.exceptions import TokenInvalid
from cms_service.core.security import (
    AccessTokenCodec,
    ServiceClaims,
    SigningKey,
    SigningKeySet,
    UserClaims,
    VerificationKey,
    load_private_key,
    new_private_key,
)

NOW = datetime.now(UTC)
ISSUER = "https://accounts.example.org"
USER_ID, SESSION_ID = uuid4(), uuid4()
LIFETIME = timedelta(days=1)
CODEC = AccessTokenCodec(ISSUER, int(LIFETIME.total_seconds()))
CLAIMS = {
    "iss": ISSUER,
    "sub": str(USER_ID),
    "aud": ISSUER,
    "exp": int((NOW + LIFETIME).timestamp()),
    "iat": int(NOW.timestamp()),
    "jti": "0190c8a0",
    "client_id": "cms-service",
    "sid": str(SESSION_ID),
    "auth_time": int(NOW.timestamp()),
}
EDDSA, ES256 = SigningAlgorithm.EDDSA, SigningAlgorithm.ES256


def key(
    kid: str,
    algorithm: SigningAlgorithm = EDDSA,
    *,
    age: timedelta = timedelta(hours=1),
    retires_at: datetime | None = None,
) -> SigningKey:
    private_key = load_private_key(algorithm, new_private_key(algorithm))
    return SigningKey(kid, algorithm, private_key, NOW - age, retires_at)


def verification_key(signer: SigningKey) -> VerificationKey:
    found = SigningKeySet([signer]).verifier(signer.kid, NOW)
    assert found is not None
    return found


class Mint:
    """Makes tokens by one algorithm, good ones and bad ones. A key of the other algorithm is alive beside its own."""

    def __init__(self, algorithm: SigningAlgorithm, other: SigningAlgorithm) -> None:
        self.other = other
        self.key, self.foreign_key = key("ours", algorithm), key("ours", algorithm)
        self.other_key, self.foreign_other_key = key("other", other), key("ours", other)
        self.keys = SigningKeySet([self.key, self.other_key])
        self.header: dict[str, Any] = {"alg": algorithm.value, "typ": "at+jwt", "kid": "ours"}
        self.token = self.sign()

    def sign(self, now: datetime = NOW) -> str:
        return CODEC.sign(
            self.key, user_id=USER_ID, session_id=SESSION_ID, authenticated_at=NOW, token_id="0190c8a0", now=now
        )

    def read(self, token: str) -> UserClaims | ServiceClaims:
        """What the service does: find the key that the token names, and see whether it vouches for the token."""
        verifier = self.keys.verifier(CODEC.key_id(token), NOW)
        if verifier is None:
            raise TokenInvalid
        return CODEC.verify(token, verifier)

    def forge(
        self,
        header: Any = None,
        claims: Any = None,
        *,
        without: str = "",
        signer: SigningKey | None = None,
        **changed: Any,
    ) -> str:
        """A token whose signature is right, if nothing else is."""
        if claims is None:
            claims = {name: value for name, value in (CLAIMS | changed).items() if name != without}
        signer = signer or self.key
        parts = [json.dumps(part).encode() for part in (self.header if header is None else header, claims)]
        signed = b".".join(map(base64url_encode, parts))
        signature = jwt.get_algorithm_by_name(signer.algorithm).sign(signed, signer.private_key)
        return b".".join((signed, base64url_encode(signature))).decode()

    def forge_hs256(self) -> str:
        """Signed with what everybody knows: the public key."""
        public = self.key.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        parts = [json.dumps(part).encode() for part in (self.header | {"alg": "HS256"}, CLAIMS)]
        signed = b".".join(map(base64url_encode, parts))
        return f"{signed.decode()}.{base64url_encode(hmac.digest(public, signed, 'sha256')).decode()}"

    def forgeries(self) -> dict[str, str]:
        forge, header, token = self.forge, self.header, self.token
        head, body, signature = token.split(".")
        foreign_jwk = verification_key(self.foreign_key).jwk
        return {
            "alg none without a signature": forge(header | {"alg": "none"}).rpartition(".")[0] + ".",
            "alg none with a signature": forge(header | {"alg": "none"}),
            "alg none in another case": forge(header | {"alg": "nOnE"}),
            "alg HS256 with the public key": self.forge_hs256(),
            "alg named otherwise": forge(header | {"alg": "Ed25519"}),
            "alg in another case": forge(header | {"alg": header["alg"].swapcase()}),
            "alg of another key": forge(header | {"alg": self.other.value}),
            "alg of another key, as it signs": forge(header | {"alg": self.other.value}, signer=self.foreign_other_key),
            "alg of its own under another key": forge(header | {"kid": "other"}),
            "another key under its own name": forge(header | {"kid": "ours"}, signer=self.other_key),
            "alg a list": forge(header | {"alg": [header["alg"]]}),
            "alg missing": forge({"typ": "at+jwt", "kid": "ours"}),
            "kid unknown": forge(header | {"kid": "theirs"}),
            "kid missing": forge({"alg": header["alg"], "typ": "at+jwt"}),
            "kid empty": forge(header | {"kid": ""}),
            "kid a path": forge(header | {"kid": "../../dev/null"}),
            "kid SQL": forge(header | {"kid": "' OR kid IS NOT NULL --"}),
            "kid NUL": forge(header | {"kid": "ours\x00"}),
            "kid a number": forge(header | {"kid": 1}),
            "kid null": forge(header | {"kid": None}),
            "kid a list": forge(header | {"kid": ["ours"]}),
            "kid an object": forge(header | {"kid": {"ours": "ours"}}),
            "key of another service": forge(signer=self.foreign_key),
            "key in the header": forge(header | {"jwk": foreign_jwk}, signer=self.foreign_key),
            "key behind a link": forge(header | {"jku": "https://evil.example.org/jwks.json"}, signer=self.foreign_key),
            "certificate behind a link": forge(
                header | {"x5u": "https://evil.example.org/x.pem"}, signer=self.foreign_key
            ),
            "certificate in the header": forge(header | {"x5c": ["MIIB"]}, signer=self.foreign_key),
            "critical extension": forge(header | {"crit": ["exp"], "exp": 0}),
            "payload not encoded": forge(header | {"crit": ["b64"], "b64": False}),
            "compressed": forge(header | {"zip": "DEF"}),
            "nested": forge(header | {"cty": "JWT"}),
            "typ JWT": forge(header | {"typ": "JWT"}),
            "typ of another kind": forge(header | {"typ": "secevent+jwt"}),
            "typ missing": forge({"alg": header["alg"], "kid": "ours"}),
            "typ null": forge(header | {"typ": None}),
            "header a list": forge([header]),
            "header a text": forge("at+jwt"),
            "header no JSON": f"{base64url_encode(b'{').decode()}.{body}.{signature}",
            "header no UTF-8": f"{base64url_encode(bytes([255, 254])).decode()}.{body}.{signature}",
            "header too deep": f"{base64url_encode(b'[' * 1400).decode()}.{body}.{signature}",
            "iss foreign": forge(iss="https://evil.example.org"),
            "iss with a slash": forge(iss=f"{ISSUER}/"),
            "iss a list": forge(iss=[ISSUER]),
            "aud foreign": forge(aud="https://media.example.org"),
            "aud a list": forge(aud=[ISSUER]),
            "aud a list with a stranger": forge(aud=[ISSUER, "https://media.example.org"]),
            "client_id foreign": forge(client_id="media"),
            "sub no id": forge(sub="admin"),
            "sub a number": forge(sub=1),
            "sub null": forge(sub=None),
            "sid no id": forge(sid="1"),
            "sid a number": forge(sid=1),
            "sid null": forge(sid=None),
            "auth_time a text": forge(auth_time="now"),
            "auth_time null": forge(auth_time=None),
            "auth_time no whole number": forge(auth_time=1.5),
            "auth_time a truth": forge(auth_time=True),
            "exp a text": forge(exp="tomorrow"),
            "exp null": forge(exp=None),
            "exp a list": forge(exp=[CLAIMS["exp"]]),
            "exp no number": forge(exp=float("nan")),
            "exp infinite": forge(exp=float("inf")),
            "iat a text": forge(iat="yesterday"),
            "iat in the future": forge(iat=int((NOW + LIFETIME).timestamp())),
            "nbf in the future": forge(nbf=int((NOW + LIFETIME).timestamp())),
            "payload a list": forge(claims=[CLAIMS]),
            "payload a text": forge(claims="claims"),
            "payload null": forge(claims=None, without="sub"),
            "payload empty": forge(claims={}),
            "signature missing": f"{head}.{body}.",
            "signature of zeros": f"{head}.{body}.{'A' * len(signature)}",
            "signature of another token": f"{head}.{forge(sub=str(uuid4())).split('.')[1]}.{signature}",
            "truncated": token[:-1],
            "extended": f"{token}A",
            "padded": f"{token}==",
            "extended with what is no base64": f"{token}!!!!",
            "header padded": f"{head}==.{body}.{signature}",
            "two parts": f"{head}.{body}",
            "four parts": f"{token}.{signature}",
            "encrypted form": f"{token}.{signature}.{signature}",
            "detached payload": f"{head}..{signature}",
            "line break after": f"{token}\n",
            "tab before": f"\t{token}",
            "word before": f"Bearer {token}",
            "standard base64": f"{head}.{body}.{'+' * len(signature)}",
            "empty": "",
            "dots": "..",
            "NUL": "\x00",
            "not ASCII": f"{head}.{body}.é",
            "refresh token": "cms_r_6cFnnMOs9L0YF8FT0HrRyeiNxaYzsyEJ6ryzRSOmZbwmXubLwoahAfFBvjySpEMnWe96rU3k7Ge1",
            "huge": forge(note="x" * 2048),
            "huge and no token": "A" * 10_000_000,
        }


MINTS = {algorithm.value: Mint(algorithm, other) for algorithm, other in ((EDDSA, ES256), (ES256, EDDSA))}
(TOKEN_CHARACTERS,) = {len(mint.token) for mint in MINTS.values()}


def raw_private_key(signer: SigningKey) -> bytes:
    """As `new_private_key` made it."""
    if isinstance(signer.private_key, Ed25519PrivateKey):
        return signer.private_key.private_bytes_raw()
    return signer.private_key.private_numbers().private_value.to_bytes(32)
