"""How often somebody failed to prove who they are."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class Throttle(Base):
    """The attempts against one account, or from one device or network, that have not been followed by a success."""

    __tablename__ = "throttles"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(primary_key=True)
    """What is counted: an id, or the digest of an address."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Since the last success."""
    streak: Mapped[int] = mapped_column(server_default="0")
    """Those that came soon after one another; the delay grows with it."""
    last_failed_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    blocked_until: Mapped[datetime] = mapped_column(server_default=func.now())
    """No attempt is let through before."""
