"""Signed-in devices. The API calls one a session."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base, Identified, Versioned


class RefreshToken(Identified, Versioned, Base):
    """One row for each signed-in device, however often its refresh token rotates.

    No token is stored. The live one is derived from `secret` and `counter` with a key that is not in the database.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("ix_refresh_tokens_user_id_live", "user_id", "id", postgresql_where=text("revoked_at IS NULL")),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    counter: Mapped[int] = mapped_column(server_default="0")
    """How often the token has been rotated; the live token carries it."""
    secret: Mapped[bytes] = mapped_column(deferred=True, deferred_raiseload=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    authenticated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the user last proved who they are in this session: at login, or since."""
    last_used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the session began or its token was last rotated; the grace for the parent token counts from here."""
    idle_expires_at: Mapped[datetime]
    """Moves with every rotation."""
    expires_at: Mapped[datetime]
    """Never moves."""
    ip: Mapped[str | None]
    user_agent: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]
