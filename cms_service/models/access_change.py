"""What caches of access have to forget."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base
from cms_service.models._snapshots import TransactionId


class AccessChange(Base):
    """Something that decides about access has changed. Written by triggers, and deleted after a while."""

    __tablename__ = "access_changes"
    __table_args__ = (Index("ix_access_changes_at", "at"),)

    xid: Mapped[int] = mapped_column(TransactionId, primary_key=True, server_default=text("pg_current_xact_id()"))
    """The transaction that changed it. Visible in a snapshot or not, however late it commits."""
    kind: Mapped[str] = mapped_column(primary_key=True)
    """`principal`, `session`, `credential`, `role`, or `everything`: more than can be told one by one."""
    subject_id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("'00000000-0000-0000-0000-000000000000'")
    )
    at: Mapped[datetime] = mapped_column(server_default=func.now())
