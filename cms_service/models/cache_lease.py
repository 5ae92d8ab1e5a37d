"""Who answers from memory."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base
from cms_service.models._snapshots import Snapshot


class CacheLease(Base):
    """A process that may answer from memory until `expires_at`, unless it renews the lease."""

    __tablename__ = "cache_leases"
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}  # noqa: RUF012 - SQLAlchemy types it as it likes

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    seen: Mapped[str] = mapped_column(Snapshot)
    """It has forgotten all that transactions visible in this snapshot have changed."""
