"""Who changed what, and when."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from cms_service.models._base import Base

TargetType: TypeAlias = Literal[
    "api_key", "permission", "role", "service_account", "session", "signing_key", "token", "user"
]
"""All kinds of things that events tell of."""


class AuditEvent(Base):
    """One change or refusal. Append-only: triggers refuse every UPDATE, DELETE and TRUNCATE.

    It references nothing by foreign key, so that it outlives what it tells of. Partitioned by month of `at`.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_actor_id", "actor_id", "at", "id"),
        Index("ix_audit_events_target", "target_type", "target_id", "at", "id"),
        Index("ix_audit_events_target_id", "target_id", "at", "id"),
        Index("ix_audit_events_action", "action", "at", "id"),
        Index("ix_audit_events_request_id", "request_id"),
        Index("ix_audit_events_ip", "ip", "at", "id"),
        Index(
            "ix_audit_events_on_behalf_of",
            "on_behalf_of",
            "at",
            "id",
            postgresql_where=text("on_behalf_of IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.now())
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    actor_id: Mapped[UUID | None]
    """The user or the service account that acted; null for the service itself and for strangers."""
    session_id: Mapped[UUID | None]
    """The session whose credential was used."""
    action: Mapped[str]
    target_type: Mapped[str | None]
    target_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None]
    """The members that changed, as they were."""
    after: Mapped[dict[str, Any] | None]
    """The members that changed, as they are now."""
    request_id: Mapped[str | None]
    ip: Mapped[str | None]
    credential_id: Mapped[UUID | None]
    """The API key that was used, itself or through a token that it was exchanged for."""
    on_behalf_of: Mapped[UUID | None]
    """The user for whom a service account acted."""
