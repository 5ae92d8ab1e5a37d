"""Which user holds which role, where, when and why."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._assignment import Assignment
from cms_service.models._base import Base


class UserRole(Assignment, Base):
    """An assignment of a role to a user."""

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
        Index("ix_user_roles_role_id_scope", "role_id", text("coalesce(scope, '')"), "user_id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
