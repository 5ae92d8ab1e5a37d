"""Where the next page of a list begins: opaque to clients, signed so that they cannot choose."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec

from cms_service.core.database import Position
from cms_service.core.exceptions import ValidationFailed, Violation

_TAG_BYTES = 16


class _Signed(msgspec.Struct, frozen=True, array_like=True):
    listing: str
    position: Position


class CursorCodec:
    """Writes and reads cursors. Those that were made under the previous key are read too."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        self._key = key
        self._previous_key = previous_key

    def encode(self, listing: str, position: Position) -> str:
        """A cursor that is good for `listing` (the resource and its sort order) only."""
        payload = msgspec.json.encode(_Signed(listing, position))
        return urlsafe_b64encode(_tag(self._key, payload) + payload).rstrip(b"=").decode()

    def decode(self, listing: str, cursor: str) -> Position:
        """The position behind `cursor`.

        Raises:
            ValidationFailed: it was not made here, or for another listing.
        """
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            tag, payload = data[:_TAG_BYTES], data[_TAG_BYTES:]
            if not self._is_genuine(tag, payload):
                raise ValueError("forged")
            signed = msgspec.json.decode(payload, type=_Signed)
            if signed.listing != listing:
                raise ValueError("of another listing")
        except (ValueError, msgspec.MsgspecError):
            violation = Violation("query/cursor", "bad_cursor", "The cursor is not one that this list gave out.")
            raise ValidationFailed(violation) from None
        return signed.position

    def _is_genuine(self, tag: bytes, payload: bytes) -> bool:
        keys = (self._key, self._previous_key) if self._previous_key else (self._key,)
        return any(hmac.compare_digest(tag, _tag(key, payload)) for key in keys)


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, sha256)[:_TAG_BYTES]
