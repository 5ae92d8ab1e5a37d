"""Keys that sign access tokens."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class SigningKey(Base):
    """A private key, encrypted under the service's secret key."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    algorithm: Mapped[str]
    encrypted_private_key: Mapped[bytes]
    published_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """Verifiers see it from here on."""
    active_from: Mapped[datetime] = mapped_column(server_default=func.now())
    """It signs from here on, until a younger key is active."""
    retires_at: Mapped[datetime | None]
    """Verifiers no longer accept it from here on."""
