"""Which user holds which role, where, when and why."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, UniqueConstraint, func, or_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cms_service.models._base import Base, Identified
from cms_service.models.role import Role


class UserRole(Identified, Base):
    """An assignment of a role. The same role may be assigned once in each scope."""

    __tablename__ = "user_roles"
    __table_args__ = (
        UniqueConstraint(
            "user_id",
            "role_id",
            "scope",
            name="uq_user_roles_user_id_role_id_scope",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("expires_at > not_before", name="window_not_empty"),
        Index("ix_user_roles_role_id", "role_id", "user_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    scope: Mapped[str | None]
    """`type:id` of the one thing it is limited to; null is everywhere."""
    not_before: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """Null when the service itself granted it."""
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())

    role: Mapped[Role] = relationship(viewonly=True, lazy="raise")

    @classmethod
    def is_effective(cls) -> ColumnElement[bool]:
        """True while the window of the assignment is open, by the database's clock."""
        return or_(cls.not_before.is_(None), cls.not_before <= func.now()) & cls.is_not_over()

    @classmethod
    def is_not_over(cls) -> ColumnElement[bool]:
        """True until the window closes, whether it has opened yet or not."""
        return or_(cls.expires_at.is_(None), cls.expires_at > func.now())
