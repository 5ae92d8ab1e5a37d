"""Device tokens: what a client that has signed in before shows at its next sign-in (OWASP's device cookies).

One lets nobody in. It lets its holder try a password while strangers who guess are being held up.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from cms_service.core.security.opaque_tokens import OpaqueTokenCodec

PREFIX = "cms_d_"
LIFETIME = timedelta(days=365)
_ID_BYTES, _TIME_BYTES = 16, 6
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


class Device(msgspec.Struct, frozen=True):
    """Something from which a user has signed in."""

    id: UUID
    user_id: UUID
    signed_in_at: datetime
    """The last time, by the database's clock."""


class DeviceTokenCodec:
    """Writes and reads device tokens. Those made with the previous key are read too."""

    def __init__(self, key: bytes, previous_key: bytes | None = None) -> None:
        self._codec = OpaqueTokenCodec(PREFIX, 2 * _ID_BYTES + _TIME_BYTES, key, previous_key)

    def encode(self, device: Device) -> str:
        time = ((device.signed_in_at - _EPOCH) // _MILLISECOND).to_bytes(_TIME_BYTES)
        return self._codec.write(device.id.bytes + device.user_id.bytes + time)

    def decode(self, token: str, now: datetime) -> Device | None:
        """The device; None where the token is not ours, or no sign-in has renewed it for a year."""
        try:
            payload = self._codec.read(token)
        except ValueError:
            return None
        device = Device(
            id=UUID(bytes=payload[:_ID_BYTES]),
            user_id=UUID(bytes=payload[_ID_BYTES : 2 * _ID_BYTES]),
            signed_in_at=_EPOCH + int.from_bytes(payload[-_TIME_BYTES:]) * _MILLISECOND,
        )
        return device if now - device.signed_in_at <= LIFETIME else None
