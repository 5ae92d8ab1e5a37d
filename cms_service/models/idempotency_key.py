"""Requests that can be repeated, and how they were answered."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class IdempotencyKey(Base):
    """A request that created something. Whoever repeats it gets the same answer."""

    __tablename__ = "idempotency_keys"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """Of the key, and of who chose it."""
    sealed_answer: Mapped[bytes]
    """Encrypted, since answers may hold secrets; what was asked is inside, too."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
