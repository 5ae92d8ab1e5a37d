"""What assignments of roles have in common, whoever holds them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, func, or_
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from cms_service.models._base import Identified
from cms_service.models.role import Role


class Assignment(Identified):
    """A role, limited to a scope and a time. The same role may be assigned once in each scope."""

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    scope: Mapped[str | None]
    """`type:id` of the one thing it is limited to; null is everywhere."""
    not_before: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    granted_by: Mapped[UUID | None]
    """A user or a service account; null when the service itself granted it."""
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @declared_attr
    def role(self) -> Mapped[Role]:
        return relationship(Role, viewonly=True, lazy="raise")

    @classmethod
    def is_effective(cls) -> ColumnElement[bool]:
        """True while the window of the assignment is open, by the database's clock."""
        return or_(cls.not_before.is_(None), cls.not_before <= func.now()) & cls.is_not_over()

    @classmethod
    def is_not_over(cls) -> ColumnElement[bool]:
        """True until the window closes, whether it has opened yet or not."""
        return or_(cls.expires_at.is_(None), cls.expires_at > func.now())
