"""Keys of service accounts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base, Identified, Timestamped, Versioned


class ApiKey(Identified, Timestamped, Versioned, Base):
    """A secret that a machine proves itself with. Only its digest is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("uq_api_keys_digest", "digest", unique=True),
        Index("ix_api_keys_service_account_id", "service_account_id", "id"),
    )

    service_account_id: Mapped[UUID] = mapped_column(ForeignKey("service_accounts.id", ondelete="CASCADE"))
    name: Mapped[str]
    digest: Mapped[bytes]
    """SHA-256 of the whole key."""
    permissions: Mapped[list[str] | None] = mapped_column(ARRAY(String))
    """Names of permissions that it narrows the account's to; null narrows nothing."""
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    """A user or a service account."""
