import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from cms_service.core.exceptions import TokenExpired, TokenInvalid
from cms_service.core.security import AccessClaims, AccessTokenCodec, SigningKey, SigningKeySet

NOW = datetime.now(UTC)
ISSUER = "https://accounts.example.org"
USER_ID, SESSION_ID = uuid4(), uuid4()


def key(kid: str, *, age: timedelta = timedelta(hours=1), retires_at: datetime | None = None) -> SigningKey:
    return SigningKey(kid, Ed25519PrivateKey.generate(), NOW - age, retires_at)


KEY, FOREIGN_KEY = key("ours"), key("ours")
KEYS = SigningKeySet([KEY])
LIFETIME = timedelta(days=1)
CODEC = AccessTokenCodec(ISSUER, int(LIFETIME.total_seconds()))
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "ours"}
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


def sign(key: SigningKey = KEY, now: datetime = NOW) -> str:
    return CODEC.sign(key, user_id=USER_ID, session_id=SESSION_ID, authenticated_at=NOW, token_id="0190c8a0", now=now)


def read(token: str) -> AccessClaims:
    """What the service does: find the key that the token names, and see whether it vouches for the token."""
    public_key = KEYS.verifier(CODEC.key_id(token), NOW)
    if public_key is None:
        raise TokenInvalid
    return CODEC.verify(token, public_key)


def forge(
    header: Any = None, claims: Any = None, *, without: str = "", signer: SigningKey = KEY, **changed: Any
) -> str:
    """A token whose signature is right, if nothing else is."""
    if claims is None:
        claims = {name: value for name, value in (CLAIMS | changed).items() if name != without}
    parts = [json.dumps(part).encode() for part in (HEADER if header is None else header, claims)]
    signed = b".".join(map(base64url_encode, parts))
    return b".".join((signed, base64url_encode(signer.private_key.sign(signed)))).decode()


def forge_hs256() -> str:
    """Signed with what everybody knows: the public key."""
    public = KEY.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in (HEADER | {"alg": "HS256"}, CLAIMS))
    return f"{signed.decode()}.{base64url_encode(hmac.digest(public, signed, 'sha256')).decode()}"


TOKEN = sign()
HEAD, BODY, SIGNATURE = TOKEN.split(".")

FORGERIES = {
    "alg none without a signature": forge(HEADER | {"alg": "none"}).rpartition(".")[0] + ".",
    "alg none with a signature": forge(HEADER | {"alg": "none"}),
    "alg none in another case": forge(HEADER | {"alg": "nOnE"}),
    "alg HS256 with the public key": forge_hs256(),
    "alg named otherwise": forge(HEADER | {"alg": "Ed25519"}),
    "alg in another case": forge(HEADER | {"alg": "eddsa"}),
    "alg a list": forge(HEADER | {"alg": ["EdDSA"]}),
    "alg missing": forge({"typ": "at+jwt", "kid": "ours"}),
    "kid unknown": forge(HEADER | {"kid": "theirs"}),
    "kid missing": forge({"alg": "EdDSA", "typ": "at+jwt"}),
    "kid empty": forge(HEADER | {"kid": ""}),
    "kid a path": forge(HEADER | {"kid": "../../dev/null"}),
    "kid SQL": forge(HEADER | {"kid": "' OR kid IS NOT NULL --"}),
    "kid NUL": forge(HEADER | {"kid": "ours\x00"}),
    "kid a number": forge(HEADER | {"kid": 1}),
    "kid null": forge(HEADER | {"kid": None}),
    "kid a list": forge(HEADER | {"kid": ["ours"]}),
    "kid an object": forge(HEADER | {"kid": {"ours": "ours"}}),
    "key of another service": forge(signer=FOREIGN_KEY),
    "key in the header": forge(HEADER | {"jwk": FOREIGN_KEY.public_jwk}, signer=FOREIGN_KEY),
    "key behind a link": forge(HEADER | {"jku": "https://evil.example.org/jwks.json"}, signer=FOREIGN_KEY),
    "certificate behind a link": forge(HEADER | {"x5u": "https://evil.example.org/x.pem"}, signer=FOREIGN_KEY),
    "certificate in the header": forge(HEADER | {"x5c": ["MIIB"]}, signer=FOREIGN_KEY),
    "critical extension": forge(HEADER | {"crit": ["exp"], "exp": 0}),
    "payload not encoded": forge(HEADER | {"crit": ["b64"], "b64": False}),
    "compressed": forge(HEADER | {"zip": "DEF"}),
    "nested": forge(HEADER | {"cty": "JWT"}),
    "typ JWT": forge(HEADER | {"typ": "JWT"}),
    "typ of another kind": forge(HEADER | {"typ": "secevent+jwt"}),
    "typ missing": forge({"alg": "EdDSA", "kid": "ours"}),
    "typ null": forge(HEADER | {"typ": None}),
    "header a list": forge([HEADER]),
    "header a text": forge("at+jwt"),
    "header no JSON": f"{base64url_encode(b'{').decode()}.{BODY}.{SIGNATURE}",
    "header no UTF-8": f"{base64url_encode(bytes([255, 254])).decode()}.{BODY}.{SIGNATURE}",
    "header too deep": f"{base64url_encode(b'[' * 1400).decode()}.{BODY}.{SIGNATURE}",
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
    "signature missing": f"{HEAD}.{BODY}.",
    "signature of zeros": f"{HEAD}.{BODY}.{'A' * len(SIGNATURE)}",
    "signature of another token": f"{HEAD}.{forge(sub=str(uuid4())).split('.')[1]}.{SIGNATURE}",
    "truncated": TOKEN[:-1],
    "extended": f"{TOKEN}A",
    "padded": f"{TOKEN}==",
    "extended with what is no base64": f"{TOKEN}!!!!",
    "header padded": f"{HEAD}==.{BODY}.{SIGNATURE}",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{TOKEN}.{SIGNATURE}",
    "encrypted form": f"{TOKEN}.{SIGNATURE}.{SIGNATURE}",
    "detached payload": f"{HEAD}..{SIGNATURE}",
    "line break after": f"{TOKEN}\n",
    "spaces before": f"    {TOKEN}",
    "word before": f"Bearer {TOKEN}",
    "standard base64": f"{HEAD}.{BODY}.{'+' * len(SIGNATURE)}",
    "empty": "",
    "dots": "..",
    "NUL": "\x00",
    "not ASCII": f"{HEAD}.{BODY}.é",
    "refresh token": "cms_r_6cFnnMOs9L0YF8FT0HrRyeiNxaYzsyEJ6ryzRSOmZbwmXubLwoahAfFBvjySpEMnWe96rU3k7Ge1",
    "huge": forge(note="x" * 2048),
    "huge and no token": "A" * 10_000_000,
}


def test_token_says_who_and_which_session_when_genuine() -> None:
    assert read(TOKEN) == AccessClaims(USER_ID, SESSION_ID, CLAIMS["auth_time"], CLAIMS["exp"])  # type: ignore[arg-type]
    assert read(forge()) == read(TOKEN)


def test_token_follows_the_profile_of_rfc_9068() -> None:
    complete = jwt.decode_complete(TOKEN, KEY.public_key, algorithms=["EdDSA"], audience=ISSUER)

    assert complete["header"] == HEADER
    assert complete["payload"] == CLAIMS


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_token_is_invalid_when_forged(forgery: str) -> None:
    with pytest.raises(TokenInvalid):
        read(forgery)


@pytest.mark.parametrize("claim", CLAIMS)
def test_token_is_invalid_when_a_claim_is_missing(claim: str) -> None:
    with pytest.raises(TokenInvalid):
        read(forge(without=claim))


@pytest.mark.parametrize("place", range(0, len(TOKEN) - 2, 7))
def test_token_is_invalid_when_a_character_is_wrong(place: int) -> None:
    other = "B" if TOKEN[place] == "A" else "A"

    with pytest.raises(TokenInvalid):
        read(TOKEN[:place] + other + TOKEN[place + 1 :])


@pytest.mark.parametrize("length", range(0, len(TOKEN), 23))
def test_token_is_invalid_when_cut_off(length: int) -> None:
    with pytest.raises(TokenInvalid):
        read(TOKEN[:length])


@pytest.mark.parametrize(("seconds", "is_expired"), [(-15, False), (0, False), (15, False), (45, True), (10**6, True)])
def test_token_expires_when_its_lifetime_and_the_leeway_have_passed(seconds: int, is_expired: bool) -> None:
    token = sign(now=datetime.now(UTC) - LIFETIME - timedelta(seconds=seconds))

    if is_expired:
        with pytest.raises(TokenExpired):
            read(token)
    else:
        assert read(token).user_id == USER_ID


def test_token_counts_when_the_clock_that_made_it_is_a_little_fast() -> None:
    assert read(sign(now=datetime.now(UTC) + timedelta(seconds=20))).user_id == USER_ID


def test_expired_token_is_invalid_when_anything_else_is_wrong() -> None:
    with pytest.raises(TokenInvalid):
        read(forge(exp=0, signer=FOREIGN_KEY))


@pytest.mark.parametrize(
    ("keys", "signer"),
    [
        pytest.param([], None, id="none"),
        pytest.param([key("only")], "only", id="one"),
        pytest.param([key("old", age=timedelta(days=9)), key("young")], "young", id="the youngest of two"),
        pytest.param([key("active"), key("published", age=timedelta(days=-1))], "active", id="not yet the next one"),
        pytest.param(
            [key("active"), key("retired", age=timedelta(0), retires_at=NOW)], "active", id="not a retired one"
        ),
        pytest.param(
            [key("later", age=timedelta(days=-2)), key("sooner", age=timedelta(days=-1))],
            "sooner",
            id="the first to become active",
        ),
    ],
)
def test_signer_is_the_youngest_active_key(keys: list[SigningKey], signer: str | None) -> None:
    found = SigningKeySet(keys).signer(NOW)

    assert (found.kid if found else None) == signer


def test_key_verifies_and_is_published_from_the_beginning_until_it_retires() -> None:
    keys = SigningKeySet([key("next", age=timedelta(days=-1)), key("now"), key("retired", retires_at=NOW)])

    assert [keys.verifier(kid, NOW) is not None for kid in ("next", "now", "retired")] == [True, True, False]
    assert [jwk["kid"] for jwk in keys.public_jwks(NOW)] == ["next", "now"]


def test_published_key_holds_nothing_private() -> None:
    assert KEY.public_jwk == {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": "ours",
        "x": urlsafe_b64encode(KEY.public_key.public_bytes_raw()).rstrip(b"=").decode(),
    }
