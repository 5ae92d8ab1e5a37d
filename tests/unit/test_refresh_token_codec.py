from contextlib import nullcontext
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.exceptions import RefreshTokenInvalid
from cms_service.core.security import SECRET_BYTES, RefreshTokenCodec, proof_of
from tests.unit.opaque_tokens import ALPHABET, ID, of_another_form, with_flipped_bits, with_number, with_wrong_character

BYTES = 52
CODEC = RefreshTokenCodec(b"k" * 32)
SECRET = b"s" * SECRET_BYTES
TOKEN = CODEC.encode(ID, SECRET, 7)


@given(
    session_id=st.uuids(),
    secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
    counter=st.integers(0, 2**32 - 1),
)
def test_token_tells_its_session_and_counter_when_decoded(session_id: UUID, secret: bytes, counter: int) -> None:
    presented = CODEC.decode(CODEC.encode(session_id, secret, counter))

    assert (presented.session_id, presented.counter) == (session_id, counter)
    assert presented.proof == proof_of(secret, counter)


def test_token_is_the_same_when_derived_again() -> None:
    assert CODEC.encode(ID, SECRET, 7) == TOKEN
    assert CODEC.encode(ID, SECRET, 8) != TOKEN


def test_token_is_one_word_with_a_recognisable_beginning() -> None:
    assert TOKEN.startswith("cms_r_")
    assert len(TOKEN) == 82
    assert set(TOKEN.removeprefix("cms_r_")) <= set(ALPHABET)


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_token_is_refused_when_a_character_is_wrong(place: int) -> None:
    with pytest.raises(RefreshTokenInvalid):
        CODEC.decode(with_wrong_character(TOKEN, place))


def test_token_is_refused_when_a_bit_is_wrong() -> None:
    for token in with_flipped_bits(TOKEN, BYTES):
        with pytest.raises(RefreshTokenInvalid):
            CODEC.decode(token)


@pytest.mark.parametrize("token", of_another_form(TOKEN).values(), ids=of_another_form(TOKEN).keys())
def test_token_is_refused_when_its_form_is_wrong(token: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        CODEC.decode(token)


@pytest.mark.parametrize(
    ("codec", "is_accepted"),
    [
        pytest.param(RefreshTokenCodec(b"K" * 32), False, id="key of another service"),
        pytest.param(RefreshTokenCodec(b"K" * 32, b"k" * 32), True, id="our key as the previous one"),
        pytest.param(RefreshTokenCodec(b"k" * 32, b"K" * 32), True, id="our key beside a previous one"),
    ],
)
def test_token_is_read_with_the_key_that_made_it(codec: RefreshTokenCodec, is_accepted: bool) -> None:
    with nullcontext() if is_accepted else pytest.raises(RefreshTokenInvalid):
        codec.decode(TOKEN)


@given(data=st.binary(min_size=BYTES, max_size=BYTES))
def test_token_is_refused_when_its_payload_was_made_up(data: bytes) -> None:
    with pytest.raises(RefreshTokenInvalid):
        CODEC.decode(with_number(TOKEN, int.from_bytes(data)))


def test_proof_is_another_one_for_another_secret_or_counter() -> None:
    proofs = {proof_of(SECRET, 7), proof_of(SECRET, 8), proof_of(b"S" * SECRET_BYTES, 7)}

    assert len(proofs) == 3
