"""Signed-in devices, as the API shows them."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import Address, Instant, SessionId


class SessionRead(Struct):
    """A signed-in device."""

    id: SessionId
    created_at: Annotated[Instant, Meta(description="When the device signed in.", examples=["2026-05-01T08:10:00Z"])]
    last_used_at: Annotated[
        Instant, Meta(description="When it last renewed its tokens.", examples=["2026-05-05T11:58:00Z"])
    ]
    expires_at: Annotated[
        Instant, Meta(description="When it ends if it is not used until then.", examples=["2026-05-12T11:58:00Z"])
    ]
    ip: Address | None
    user_agent: Annotated[str, Meta(description="What it calls itself.", examples=["Firefox on Linux"])] | None
    is_current: Annotated[bool, Meta(description="Whether the request itself came from it.")]
