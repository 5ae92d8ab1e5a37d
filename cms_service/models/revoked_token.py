"""Access tokens that were revoked before their time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class RevokedToken(Base):
    """An access token that belongs to no session, and counts no more."""

    __tablename__ = "revoked_tokens"
    __table_args__ = (Index("ix_revoked_tokens_expires_at", "expires_at"),)

    jti: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    """When it would have expired by itself; the row may go then."""
