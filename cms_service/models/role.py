"""Named sets of permissions."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cms_service.models._base import Base, Identified, SoftDeleted, Timestamped, Versioned
from cms_service.models.permission import Permission
from cms_service.models.role_inheritance import RoleInheritance
from cms_service.models.role_permission import RolePermission


class Role(Identified, Timestamped, SoftDeleted, Versioned, Base):
    """What a person may be in this platform; permissions add up over all roles, nothing is denied."""

    __tablename__ = "roles"
    __table_args__ = (
        CheckConstraint("name = lower(name)", name="name_canonical"),
        Index("uq_roles_name_live", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_roles_created_at_id", "created_at", "id"),
    )

    name: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    is_system: Mapped[bool] = mapped_column(server_default=text("false"))

    permissions: Mapped[set[Permission]] = relationship(secondary=RolePermission.__table__, viewonly=True, lazy="raise")
    """Those that it holds itself."""
    parents: Mapped[set["Role"]] = relationship(
        secondary=RoleInheritance.__table__,
        primaryjoin=lambda: Role.id == RoleInheritance.role_id,
        secondaryjoin=lambda: (Role.id == RoleInheritance.parent_id) & Role.deleted_at.is_(None),
        viewonly=True,
        lazy="raise",
    )
    """The live roles that it inherits directly."""
