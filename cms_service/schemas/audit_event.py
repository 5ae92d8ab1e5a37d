"""The audit trail, as the API shows it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from cms_service.schemas._fields import Instant
from cms_service.schemas.page import ListQuery


class AuditEventRead(Struct):
    """One change or refusal. `before` and `after` hold the members that changed; secrets are never among them."""

    id: UUID
    at: Instant
    actor_id: UUID | None
    session_id: UUID | None
    action: str
    target_type: str | None
    target_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    ip: str | None
    credential_id: (
        Annotated[UUID, Meta(description="The API key that was used, itself or as a token that it was exchanged for.")]
        | None
    )
    on_behalf_of: Annotated[UUID, Meta(description="The user for whom the service account in `actor_id` acted.")] | None


class AuditEventQuery(ListQuery, frozen=True, kw_only=True):
    """Which events are wanted, the youngest first."""

    actor_id: UUID | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: UUID | None = None
    request_id: str | None = None
    on_behalf_of: UUID | None = None
    after: datetime | None = None
    before: datetime | None = None
