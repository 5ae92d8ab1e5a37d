"""The form that all our opaque tokens share: prefix + base62(payload ‖ tag) + base62(CRC32).

The prefix tells secret scanners and people what they have found. The checksum tells a typo from a forgery, and the tag
(HMAC-SHA256 under a key of the service, 128 bits of it) a forgery from our own, both without asking the database.
"""

import hmac
from hashlib import sha256
from zlib import crc32

from cms_service.core.security import base62

TAG_BYTES = 16
_CHECKSUM_WIDTH = 6


class OpaqueTokenCodec:
    """Writes and reads one kind of token. Those made with the previous key are read too."""

    def __init__(self, prefix: str, payload_bytes: int, key: bytes, previous_key: bytes | None) -> None:
        self._prefix = prefix
        self._bytes = payload_bytes + TAG_BYTES
        self._width = base62.width_of(self._bytes)
        self._key = key
        self._accepted_keys = [key] if previous_key is None else [key, previous_key]

    def write(self, payload: bytes) -> str:
        body = self._prefix + base62.encode(payload + _tag(self._key, payload), self._width)
        return body + _checksum(body)

    def read(self, token: str) -> bytes:
        """The payload. Raises ValueError where anything at all is wrong."""
        body, checksum = token[:-_CHECKSUM_WIDTH], token[-_CHECKSUM_WIDTH:]
        if len(body) != len(self._prefix) + self._width or not body.startswith(self._prefix):
            raise ValueError("of another form")
        if checksum != _checksum(body):
            raise ValueError("mistyped")
        data = base62.decode(body[len(self._prefix) :], self._bytes)
        payload, tag = data[:-TAG_BYTES], data[-TAG_BYTES:]
        if not any([hmac.compare_digest(tag, _tag(key, payload)) for key in self._accepted_keys]):  # noqa: C419 - all
            raise ValueError("forged")
        return payload


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, sha256)[:TAG_BYTES]


def _checksum(body: str) -> str:
    return base62.encode(crc32(body.encode()).to_bytes(4), _CHECKSUM_WIDTH)
