"""The audit trail, as the API shows it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

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


class AuditEventQuery(ListQuery, frozen=True, kw_only=True):
    """Which events are wanted, the youngest first."""

    actor_id: UUID | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: UUID | None = None
    request_id: str | None = None
    after: datetime | None = None
    before: datetime | None = None
