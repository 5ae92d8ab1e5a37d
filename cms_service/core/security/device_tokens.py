"""Device tokens: what a client that has signed in before shows at its next sign-in (OWASP's device cookies).

One lets nobody in. It lets its holder try a password while strangers who guess are being held up.
"""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from cms_service.core.security.opaque_tokens import OpaqueTokenCodec

PREFIX = "cms_d_"
LIFETIME = timedelta(days=365)
_ID_BYTES, _TIME_BYTES = 16, 5


class Device(msgspec.Struct, frozen=True):
    """Something from which a user has signed in."""

    id: UUID
    user_id: UUID


class DeviceTokenCodec:
    """Writes and reads device tokens. Those made with the previous key are read too."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        self._codec = OpaqueTokenCodec(PREFIX, 2 * _ID_BYTES + _TIME_BYTES, key, previous_key)

    def encode(self, device: Device, now: datetime) -> str:
        return self._codec.write(device.id.bytes + device.user_id.bytes + int(now.timestamp()).to_bytes(_TIME_BYTES))

    def decode(self, token: str, now: datetime) -> Device | None:
        """The device; None where the token is not ours, or no sign-in has renewed it for a year."""
        try:
            payload = self._codec.read(token)
        except ValueError:
            return None
        if now.timestamp() - int.from_bytes(payload[-_TIME_BYTES:]) > LIFETIME.total_seconds():
            return None
        return Device(UUID(bytes=payload[:_ID_BYTES]), UUID(bytes=payload[_ID_BYTES : 2 * _ID_BYTES]))
