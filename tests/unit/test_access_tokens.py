from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest

from cms_service.core.config import SigningAlgorithm
from cms_service.core.exceptions import TokenExpired, TokenInvalid
from cms_service.core.security import (
    AccessTokenCodec,
    ServiceClaims,
    SigningKey,
    SigningKeySet,
    UserClaims,
    load_private_key,
    new_private_key,
)
from tests.forgeries import (
    CLAIMS,
    ES256,
    ISSUER,
    LIFETIME,
    MINTS,
    NOW,
    SESSION_ID,
    TOKEN_CHARACTERS,
    USER_ID,
    Mint,
    key,
    verification_key,
)


@pytest.fixture(params=MINTS)
def mint(request: pytest.FixtureRequest) -> Mint:
    return MINTS[request.param]


def subject_of(mint: Mint, token: str) -> UUID:
    claims = mint.read(token)
    assert isinstance(claims, UserClaims)
    return claims.user_id


def test_token_says_who_and_which_session_when_genuine(mint: Mint) -> None:
    assert msgspec.structs.asdict(mint.read(mint.token)) == {
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "authenticated_at": CLAIMS["auth_time"],
        "expires_at": CLAIMS["exp"],
        "key_id": "ours",
        "token_id": CLAIMS["jti"],
        "issued_at": CLAIMS["iat"],
    }
    assert mint.read(mint.forge()) == mint.read(mint.token)


@pytest.mark.parametrize(("length", "is_read"), [(2048, True), (2049, False)])
def test_key_is_looked_for_only_in_a_token_of_at_most_2048_characters(length: int, is_read: bool) -> None:
    header = jwt.encode({}, "s" * 32, headers={"typ": "at+jwt", "kid": "ours"}).partition(".")[0]
    token = f"{header}.{'A' * (length - len(header) - 4)}.AA"

    with nullcontext() if is_read else pytest.raises(TokenInvalid):
        assert AccessTokenCodec(ISSUER, 3600).key_id(token) == "ours"


def test_token_follows_the_profile_of_rfc_9068(mint: Mint) -> None:
    public_key = mint.key.private_key.public_key()

    complete = jwt.decode_complete(mint.token, public_key, algorithms=[mint.header["alg"]], audience=ISSUER)

    assert complete["header"] == mint.header
    assert complete["payload"] == CLAIMS


@pytest.mark.parametrize(
    ("mint", "forgery"),
    [
        pytest.param(mint, forgery, id=f"{algorithm}-{name}")
        for algorithm, mint in MINTS.items()
        for name, forgery in mint.forgeries().items()
    ],
)
def test_token_is_invalid_when_forged(mint: Mint, forgery: str) -> None:
    with pytest.raises(TokenInvalid):
        mint.read(forgery)


@pytest.mark.parametrize("claim", CLAIMS)
def test_token_is_invalid_when_a_claim_is_missing(mint: Mint, claim: str) -> None:
    with pytest.raises(TokenInvalid):
        mint.read(mint.forge(without=claim))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"client_id": str(UUID(int=1))},
        {"sub": "cms-service", "client_id": "cms-service"},
        {"api_key_id": None},
        {"api_key_id": "first"},
        {"jti": "0190c8a0"},
        {"jti": UUID(int=1).hex},
        {"exp": 0},
    ],
    ids=str,
)
def test_token_of_a_service_account_counts_only_when_every_claim_is_right(mint: Mint, changed: dict[str, Any]) -> None:
    account_id, key_id, token_id = uuid4(), uuid4(), uuid4()
    own = {"sub": str(account_id), "client_id": str(account_id), "api_key_id": str(key_id), "jti": str(token_id)}
    claims = {name: CLAIMS[name] for name in ("iss", "aud", "exp", "iat")} | own
    token = mint.forge(claims=claims | changed)

    if changed:
        with pytest.raises((TokenInvalid, TokenExpired)):
            mint.read(token)
    else:
        found = mint.read(token)
        assert isinstance(found, ServiceClaims)
        assert (found.service_account_id, found.api_key_id, found.jti) == (account_id, key_id, token_id)


@pytest.mark.parametrize("place", range(0, TOKEN_CHARACTERS - 2, 7))
def test_token_is_invalid_when_a_character_is_wrong(mint: Mint, place: int) -> None:
    other = "B" if mint.token[place] == "A" else "A"

    with pytest.raises(TokenInvalid):
        mint.read(mint.token[:place] + other + mint.token[place + 1 :])


@pytest.mark.parametrize("length", range(0, TOKEN_CHARACTERS, 23))
def test_token_is_invalid_when_cut_off(mint: Mint, length: int) -> None:
    with pytest.raises(TokenInvalid):
        mint.read(mint.token[:length])


@pytest.mark.parametrize(("seconds", "is_expired"), [(-15, False), (0, False), (15, False), (45, True), (10**6, True)])
def test_token_expires_when_its_lifetime_and_the_leeway_have_passed(mint: Mint, seconds: int, is_expired: bool) -> None:
    token = mint.sign(now=datetime.now(UTC) - LIFETIME - timedelta(seconds=seconds))

    if is_expired:
        with pytest.raises(TokenExpired):
            mint.read(token)
    else:
        assert subject_of(mint, token) == USER_ID


def test_token_counts_when_the_clock_that_made_it_is_a_little_fast(mint: Mint) -> None:
    assert subject_of(mint, mint.sign(now=datetime.now(UTC) + timedelta(seconds=20))) == USER_ID


def test_expired_token_is_invalid_when_anything_else_is_wrong(mint: Mint) -> None:
    with pytest.raises(TokenInvalid):
        mint.read(mint.forge(exp=0, signer=mint.foreign_key))


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


def test_published_key_holds_nothing_private(mint: Mint) -> None:
    jwk = verification_key(mint.key).jwk

    assert jwk.keys() == {"kty", "crv", "alg", "use", "kid", "x"} | ({"y"} if jwk["kty"] == "EC" else set())
    assert (jwk["alg"], jwk["use"], jwk["kid"]) == (mint.header["alg"], "sig", "ours")
    assert jwt.PyJWK.from_dict(jwk).key == mint.key.private_key.public_key()


def test_every_number_of_a_published_key_has_its_full_width() -> None:
    numbers = [verification_key(key("any", ES256)).jwk[name] for _ in range(400) for name in ("x", "y")]

    assert {len(number) for number in numbers} == {43}


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_private_key_is_the_same_when_it_is_loaded_again(algorithm: SigningAlgorithm) -> None:
    stored = new_private_key(algorithm)

    first, again = (load_private_key(algorithm, stored).public_key() for _ in range(2))

    assert len(stored) == 32
    assert first == again
