"""Machines that call other services."""

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._base import Base, Identified, SoftDeleted, Timestamped, Versioned


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
