from uuid import UUID
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.exceptions import RefreshTokenInvalid
from cms_service.core.security import SECRET_BYTES, RefreshTokenCodec

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CODEC = RefreshTokenCodec(b"k" * 32)
SESSION_ID = UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000a")
SECRET = b"s" * SECRET_BYTES
TOKEN = CODEC.encode(SESSION_ID, SECRET, 7)


def base62(number: int, width: int) -> str:
    return "".join(ALPHABET[number // 62**place % 62] for place in reversed(range(width)))


def with_checksum(body: str) -> str:
    """What anybody can make who knows the form."""
    return body + base62(crc32(body.encode()), 6)


@given(
    session_id=st.uuids(),
    secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
    counter=st.integers(0, 2**32 - 1),
)
def test_token_tells_its_session_and_counter_when_decoded(session_id: UUID, secret: bytes, counter: int) -> None:
    presented = CODEC.decode(CODEC.encode(session_id, secret, counter))

    assert (presented.session_id, presented.counter) == (session_id, counter)
    assert CODEC.is_genuine(presented, secret)


def test_token_is_the_same_when_derived_again() -> None:
    assert CODEC.encode(SESSION_ID, SECRET, 7) == TOKEN
    assert CODEC.encode(SESSION_ID, SECRET, 8) != TOKEN


def test_token_is_one_word_with_a_recognisable_beginning() -> None:
    assert TOKEN.startswith("cms_r_")
    assert len(TOKEN) == 82
    assert set(TOKEN.removeprefix("cms_r_")) <= set(ALPHABET)


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_token_is_refused_when_a_character_is_wrong(place: int) -> None:
    other = "1" if TOKEN[place] == "0" else "0"

    with pytest.raises(RefreshTokenInvalid):
        CODEC.decode(TOKEN[:place] + other + TOKEN[place + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("cms_r_", id="prefix only"),
        pytest.param(TOKEN[:-1], id="truncated"),
        pytest.param(TOKEN + "0", id="extended"),
        pytest.param(TOKEN + "==", id="padded"),
        pytest.param(f" {TOKEN}", id="space before"),
        pytest.param(f"{TOKEN}\n", id="line break after"),
        pytest.param(TOKEN.swapcase(), id="other case"),
        pytest.param(TOKEN.replace("cms_r_", "cms_k_"), id="prefix of another kind"),
        pytest.param(with_checksum("cms_k_" + TOKEN[6:76]), id="prefix of another kind, checksum right"),
        pytest.param(with_checksum("cms_r_" + "z" * 70), id="number too large, checksum right"),
        pytest.param(with_checksum("cms_r_" + "-" * 70), id="foreign characters, checksum right"),
        pytest.param(with_checksum("cms_r_" + "٣" * 70), id="digits of another script, checksum right"),
        pytest.param(with_checksum("cms_r_" + TOKEN[6:75]), id="one short, checksum right"),
        pytest.param("eyJhbGciOiJFZERTQSJ9.e30.AAAA", id="access token"),
    ],
)
def test_token_is_refused_when_its_form_is_wrong(token: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        CODEC.decode(token)


@pytest.mark.parametrize(
    ("codec", "session_id", "secret", "counter"),
    [
        pytest.param(RefreshTokenCodec(b"K" * 32), SESSION_ID, SECRET, 7, id="key of another service"),
        pytest.param(CODEC, UUID(int=0), SECRET, 7, id="other session"),
        pytest.param(CODEC, SESSION_ID, b"S" * SECRET_BYTES, 7, id="secret of another row"),
        pytest.param(CODEC, SESSION_ID, SECRET, 8, id="other counter"),
    ],
)
def test_tag_is_not_genuine_when_made_of_anything_else(
    codec: RefreshTokenCodec, session_id: UUID, secret: bytes, counter: int
) -> None:
    foreign_tag = CODEC.decode(codec.encode(session_id, secret, counter)).tag
    payload = SESSION_ID.bytes + (7).to_bytes(4) + foreign_tag
    forged = with_checksum("cms_r_" + base62(int.from_bytes(payload), 70))

    presented = CODEC.decode(forged)

    assert (presented.session_id, presented.counter) == (SESSION_ID, 7)
    assert not CODEC.is_genuine(presented, SECRET)
