"""Refresh tokens: the id of a session, a counter, and a proof, which is the beginning of SHA-256(secret ‖ counter).

The secret is in the session's row, the key of the tag is not in the database: whoever has only one of them can make no
token. The tag is checked before the database is asked; the database compares the proof in the very statement that
rotates, and never sees the key. The live token of a session can be computed again from its row, so that two tabs that
refresh at once get the same successor.
"""

from hashlib import sha256
from uuid import UUID

import msgspec

from cms_service.core.exceptions import RefreshTokenInvalid
from cms_service.core.security.opaque_tokens import OpaqueTokenCodec

PREFIX = "cms_r_"
SECRET_BYTES = 32
PROOF_BYTES = 16
_ID_BYTES, _COUNTER_BYTES = 16, 4


class PresentedRefreshToken(msgspec.Struct, frozen=True):
    """A token that this service made. Whether it is still good, only its row can tell."""

    session_id: UUID
    counter: int
    proof: bytes


class RefreshTokenCodec:
    """Writes and reads refresh tokens. Those made with the previous key are read too."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        self._codec = OpaqueTokenCodec(PREFIX, _ID_BYTES + _COUNTER_BYTES + PROOF_BYTES, key, previous_key)

    def encode(self, session_id: UUID, secret: bytes, counter: int) -> str:
        return self._codec.write(session_id.bytes + counter.to_bytes(_COUNTER_BYTES) + proof_of(secret, counter))

    def decode(self, token: str) -> PresentedRefreshToken:
        """What `token` says.

        Raises:
            RefreshTokenInvalid: the form, the checksum or the tag is wrong.
        """
        try:
            payload = self._codec.read(token)
        except ValueError:
            raise RefreshTokenInvalid from None
        return PresentedRefreshToken(
            session_id=UUID(bytes=payload[:_ID_BYTES]),
            counter=int.from_bytes(payload[_ID_BYTES:-PROOF_BYTES]),
            proof=payload[-PROOF_BYTES:],
        )


def proof_of(secret: bytes, counter: int) -> bytes:
    """What shows that the row was known to whoever made the token."""
    return sha256(secret + counter.to_bytes(_COUNTER_BYTES)).digest()[:PROOF_BYTES]
