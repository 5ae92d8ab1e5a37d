"""Names of what may be done."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base, Identified, Timestamped, Versioned


class Permission(Identified, Timestamped, Versioned, Base):
    """`resource:action`. `articles:*` implies every action on articles, `*:*` everything.

    A deleted permission is gone with its grants: one of the same name made later starts with none.
    """

    __tablename__ = "permissions"
    __table_args__ = (
        CheckConstraint("name = lower(name)", name="name_canonical"),
        Index("uq_permissions_name", "name", unique=True),
        Index("ix_permissions_created_at_id", "created_at", "id"),
    )

    name: Mapped[str]
    description: Mapped[str]
    is_system: Mapped[bool] = mapped_column(server_default=text("false"))
