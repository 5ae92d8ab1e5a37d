"""Which role holds which permission."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class RolePermission(Base):
    """A permission granted to a role."""

    __tablename__ = "role_permissions"
    __table_args__ = (Index("ix_role_permissions_permission_id", "permission_id", "role_id"),)

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    permission_id: Mapped[UUID] = mapped_column(ForeignKey("permissions.id", ondelete="CASCADE"), primary_key=True)
    granted_by: Mapped[UUID | None]
    """Null when the service itself granted it."""
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
