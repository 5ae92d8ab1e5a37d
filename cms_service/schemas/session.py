"""Signed-in devices, as the API shows them."""

from uuid import UUID

from msgspec import Struct

from cms_service.schemas._fields import Instant


class SessionRead(Struct):
    """A signed-in device."""

    id: UUID
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    ip: str | None
    user_agent: str | None
    is_current: bool
