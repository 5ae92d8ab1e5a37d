"""The form of a refresh token.

`cms_r_` + base62(id ‖ counter ‖ tag) + base62(CRC32), where the tag is HMAC-SHA256(key, id ‖ secret ‖ counter).

The live token of a session can be derived again from its row, so that two tabs that refresh at once get the same
successor, while the rows alone, without the key, give no token away. The checksum lets scanners and
this service tell a typo from a forgery without asking the database.
"""

import hmac
from hashlib import sha256
from uuid import UUID
from zlib import crc32

import msgspec

from cms_service.core.exceptions import RefreshTokenInvalid
from cms_service.core.security import base62

PREFIX = "cms_r_"
SECRET_BYTES = 32
_ID_BYTES, _COUNTER_BYTES, _TAG_BYTES = 16, 4, 32
_PAYLOAD_BYTES = _ID_BYTES + _COUNTER_BYTES + _TAG_BYTES
_PAYLOAD_WIDTH, _CHECKSUM_WIDTH = 70, 6
LENGTH = len(PREFIX) + _PAYLOAD_WIDTH + _CHECKSUM_WIDTH


class PresentedRefreshToken(msgspec.Struct, frozen=True):
    """A token of the right form. Whether it is genuine, only its row can tell."""

    session_id: UUID
    counter: int
    tag: bytes


class RefreshTokenCodec:
    """Writes and reads refresh tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, session_id: UUID, secret: bytes, counter: int) -> str:
        payload = session_id.bytes + counter.to_bytes(_COUNTER_BYTES) + self._tag(session_id, secret, counter)
        body = PREFIX + base62.encode(payload, _PAYLOAD_WIDTH)
        return body + _checksum(body)

    def decode(self, token: str) -> PresentedRefreshToken:
        """What `token` claims to be.

        Raises:
            RefreshTokenInvalid: the form or the checksum is wrong.
        """
        body = token[:-_CHECKSUM_WIDTH]
        if len(token) != LENGTH or not token.startswith(PREFIX) or token[-_CHECKSUM_WIDTH:] != _checksum(body):
            raise RefreshTokenInvalid
        try:
            payload = base62.decode(body[len(PREFIX) :], _PAYLOAD_BYTES)
        except ValueError:
            raise RefreshTokenInvalid from None
        return PresentedRefreshToken(
            session_id=UUID(bytes=payload[:_ID_BYTES]),
            counter=int.from_bytes(payload[_ID_BYTES : _ID_BYTES + _COUNTER_BYTES]),
            tag=payload[-_TAG_BYTES:],
        )

    def is_genuine(self, presented: PresentedRefreshToken, secret: bytes) -> bool:
        """Whether this service made it for the session whose row holds `secret`; takes the same time either way."""
        return hmac.compare_digest(presented.tag, self._tag(presented.session_id, secret, presented.counter))

    def _tag(self, session_id: UUID, secret: bytes, counter: int) -> bytes:
        return hmac.digest(self._key, session_id.bytes + secret + counter.to_bytes(_COUNTER_BYTES), sha256)


def _checksum(body: str) -> str:
    return base62.encode(crc32(body.encode()).to_bytes(4), _CHECKSUM_WIDTH)
