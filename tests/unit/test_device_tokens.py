from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.security import Device, DeviceTokenCodec, RefreshTokenCodec
from tests.unit.opaque_tokens import ALPHABET, ID, of_another_form, with_flipped_bits, with_number, with_wrong_character

KEY = b"k" * 32
BYTES = 54
CODEC = DeviceTokenCodec(KEY)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE = Device(ID, UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000b"), NOW)
YEAR = timedelta(days=365)
TOKEN = CODEC.encode(DEVICE)


@given(
    device_id=st.uuids(),
    user_id=st.uuids(),
    made_at=st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    age=st.timedeltas(timedelta(0), YEAR - timedelta(seconds=1)),
)
def test_token_tells_its_device_when_decoded(device_id: UUID, user_id: UUID, made_at: datetime, age: timedelta) -> None:
    made_at = made_at.replace(microsecond=made_at.microsecond // 1000 * 1000)
    device = Device(device_id, user_id, made_at)

    assert CODEC.decode(CODEC.encode(device), made_at + age) == device


def test_token_is_one_word_with_a_recognisable_beginning() -> None:
    assert TOKEN.startswith("cms_d_")
    assert len(TOKEN) == 85
    assert set(TOKEN.removeprefix("cms_d_")) <= set(ALPHABET)


def test_token_counts_for_a_year() -> None:
    assert CODEC.decode(TOKEN, NOW + YEAR) == DEVICE
    assert CODEC.decode(TOKEN, NOW + YEAR + timedelta(seconds=1)) is None


def test_token_counts_where_the_clock_is_a_little_behind() -> None:
    assert CODEC.decode(TOKEN, NOW - timedelta(seconds=30)) == DEVICE


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_token_names_no_device_when_a_character_is_wrong(place: int) -> None:
    assert CODEC.decode(with_wrong_character(TOKEN, place), NOW) is None


def test_token_names_no_device_when_a_bit_is_wrong() -> None:
    assert [token for token in with_flipped_bits(TOKEN, BYTES) if CODEC.decode(token, NOW) is not None] == []


@pytest.mark.parametrize("token", of_another_form(TOKEN).values(), ids=of_another_form(TOKEN).keys())
def test_token_names_no_device_when_its_form_is_wrong(token: str) -> None:
    assert CODEC.decode(token, NOW) is None


def test_token_names_no_device_when_it_is_a_refresh_token_made_with_the_same_key() -> None:
    refresh_token = RefreshTokenCodec(KEY).encode(ID, b"s" * 32, 0)

    assert CODEC.decode(refresh_token, NOW) is None


@pytest.mark.parametrize(
    ("codec", "is_accepted"),
    [
        pytest.param(DeviceTokenCodec(b"K" * 32), False, id="key of another service"),
        pytest.param(DeviceTokenCodec(b"K" * 32, KEY), True, id="our key as the previous one"),
        pytest.param(DeviceTokenCodec(KEY, b"K" * 32), True, id="our key beside a previous one"),
    ],
)
def test_token_is_read_with_the_key_that_made_it(codec: DeviceTokenCodec, is_accepted: bool) -> None:
    assert codec.decode(TOKEN, NOW) == (DEVICE if is_accepted else None)


@given(data=st.binary(min_size=BYTES, max_size=BYTES))
def test_token_names_no_device_when_its_payload_was_made_up(data: bytes) -> None:
    assert CODEC.decode(with_number(TOKEN, int.from_bytes(data)), NOW) is None
