"""The form that all our opaque tokens share: prefix + base62(data) + base62(CRC32).

The prefix tells secret scanners and people what they have found. The checksum tells a typo from a forgery. Where the
data is payload ‖ tag (HMAC-SHA256 under a key of the service, 128 bits of it), the tag tells a forgery from our own.
All of that needs no database.
"""

import hmac
from hashlib import sha256
from zlib import crc32

from cms_service.core.security import base62

TAG_BYTES = 16
_CHECKSUM_WIDTH = 6


class CheckedText:
    """Writes and reads data of one length in this form."""

    def __init__(self, prefix: str, data_bytes: int) -> None:
        self._prefix = prefix
        self._bytes = data_bytes
        self._width = base62.width_of(data_bytes)

    def write(self, data: bytes) -> str:
        body = self._prefix + base62.encode(data, self._width)
        return body + _checksum(body)

    def read(self, token: str) -> bytes:
        """The data. Raises ValueError where the form or the checksum is wrong."""
        body, checksum = token[:-_CHECKSUM_WIDTH], token[-_CHECKSUM_WIDTH:]
        if len(body) != len(self._prefix) + self._width or not body.startswith(self._prefix):
            raise ValueError("of another form")
        if checksum != _checksum(body):
            raise ValueError("mistyped")
        return base62.decode(body[len(self._prefix) :], self._bytes)


class OpaqueTokenCodec:
    """Writes and reads one kind of token with a tag. Those made with the previous key are read too."""

    def __init__(self, prefix: str, payload_bytes: int, key: bytes, previous_key: bytes | None) -> None:
        self._text = CheckedText(prefix, payload_bytes + TAG_BYTES)
        self._key = key
        self._accepted_keys = [key] if previous_key is None else [key, previous_key]

    def write(self, payload: bytes) -> str:
        return self._text.write(payload + _tag(self._key, payload))

    def read(self, token: str) -> bytes:
        """The payload. Raises ValueError where anything at all is wrong."""
        data = self._text.read(token)
        payload, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
        if not any([hmac.compare_digest(tag, _tag(key, payload)) for key in self._accepted_keys]):  # noqa: C419 - all
            raise ValueError("forged")
        return payload


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, sha256)[:TAG_BYTES]


def _checksum(body: str) -> str:
    return base62.encode(crc32(body.encode()).to_bytes(4), _CHECKSUM_WIDTH)
