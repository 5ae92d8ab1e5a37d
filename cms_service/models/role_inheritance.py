"""Which role inherits which."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base


class RoleInheritance(Base):
    """Whoever has the role has the parent's permissions too. There is no way from a role back to itself."""

    __tablename__ = "role_inheritance"
    __table_args__ = (
        CheckConstraint("role_id <> parent_id", name="not_of_itself"),
        Index("ix_role_inheritance_parent_id", "parent_id", "role_id"),
    )

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    parent_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    granted_by: Mapped[UUID | None]
    """Null when the service itself granted it."""
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())
