"""Machines that call other services."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cms_service.models._base import Base, Identified, SoftDeleted, Timestamped, Versioned
from cms_service.models.role import Role
from cms_service.models.service_account_role import ServiceAccountRole


class ServiceAccount(Identified, Timestamped, SoftDeleted, Versioned, Base):
    """The identity of a machine. It has roles as users have, and keys instead of a password."""

    __tablename__ = "service_accounts"
    __table_args__ = (
        CheckConstraint("name = lower(name)", name="name_canonical"),
        Index("uq_service_accounts_name_live", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_service_accounts_created_at_id", "created_at", "id"),
    )

    name: Mapped[str]
    description: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))

    roles: Mapped[set[Role]] = relationship(
        secondary=ServiceAccountRole.__table__,
        primaryjoin=lambda: (
            (ServiceAccount.id == ServiceAccountRole.service_account_id) & ServiceAccountRole.is_effective()
        ),
        secondaryjoin=lambda: (Role.id == ServiceAccountRole.role_id) & Role.deleted_at.is_(None),
        viewonly=True,
        lazy="raise",
    )
    """The live roles whose assignment counts now, in whatever scope."""
