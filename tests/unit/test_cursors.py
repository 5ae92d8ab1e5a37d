from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms_service.core.database import Position
from cms_service.core.exceptions import ValidationFailed
from cms_service.core.security import CursorCodec

CODEC = CursorCodec(b"k" * 32)
POSITION = Position("ada@example.org", UUID("0190c8a0-7a1b-7c3d-8e4f-00000000000a"))
CURSOR = CODEC.encode("users/email", POSITION)
BYTES = urlsafe_b64decode(CURSOR + "=" * (-len(CURSOR) % 4))


def refusal_of(cursor: str, listing: str = "users/email") -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as refusal:
        CODEC.decode(listing, cursor)
    return [(violation.pointer, violation.code) for violation in refusal.value.violations]


@given(sort_value=st.text(), row_id=st.uuids())
def test_position_comes_back_when_the_cursor_is_decoded(sort_value: str, row_id: UUID) -> None:
    position = Position(sort_value, row_id)

    assert CODEC.decode("users/email", CODEC.encode("users/email", position)) == position


def test_cursor_needs_no_escape_in_a_query() -> None:
    assert CODEC.encode("users/email", Position("ÿ?>" * 5, UUID(int=0))).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("place", range(len(BYTES)))
def test_cursor_is_refused_when_a_byte_is_changed(place: int) -> None:
    changed = BYTES[:place] + bytes([BYTES[place] ^ 1]) + BYTES[place + 1 :]

    assert refusal_of(urlsafe_b64encode(changed).decode()) == [("query/cursor", "bad_cursor")]


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="no base64"),
        pytest.param("é", id="not ascii"),
        pytest.param(CURSOR[:-4], id="truncated"),
        pytest.param(CURSOR + "AAAA", id="extended"),
        pytest.param(urlsafe_b64encode(BYTES[16:]).decode(), id="without its tag"),
        pytest.param(CursorCodec(b"K" * 32).encode("users/email", POSITION), id="key of another service"),
    ],
)
def test_cursor_is_refused_when_not_made_here(cursor: str) -> None:
    assert refusal_of(cursor) == [("query/cursor", "bad_cursor")]


@pytest.mark.parametrize("listing", ["users/email_desc", "users/created_at", "roles/name", ""])
def test_cursor_is_refused_when_of_another_listing(listing: str) -> None:
    assert refusal_of(CURSOR, listing) == [("query/cursor", "bad_cursor")]


def test_cursor_is_read_under_the_previous_key_and_made_under_the_present_one() -> None:
    codec = CursorCodec(b"n" * 32, previous_key=b"k" * 32)

    assert codec.decode("users/email", CURSOR) == POSITION
    assert CursorCodec(b"n" * 32).decode("users/email", codec.encode("users/email", POSITION)) == POSITION
    assert refusal_of(codec.encode("users/email", POSITION)) == [("query/cursor", "bad_cursor")]
