"""Accounts of people."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cms_service.models._base import Base, Identified, SoftDeleted, Timestamped, Versioned
from cms_service.models.role import Role
from cms_service.models.user_role import UserRole


class User(Identified, Timestamped, SoftDeleted, Versioned, Base):
    """A person who can sign in. A deleted account frees its address; whoever takes it is a new subject."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint('email = lower(email COLLATE "C")', name="email_canonical"),
        Index("uq_users_email_live", "email", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_users_external_id_live", "external_id", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_display_name_id", "display_name", "id"),
    )

    email: Mapped[str]
    display_name: Mapped[str]
    external_id: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)
    """Deferred, so that reading an account does not read its secret."""
    password_changed_at: Mapped[datetime | None] = mapped_column(deferred=True)
    """Device tokens from before count for nothing; null where it never was."""

    roles: Mapped[set[Role]] = relationship(
        secondary=UserRole.__table__,
        primaryjoin=lambda: (User.id == UserRole.user_id) & UserRole.is_effective(),
        secondaryjoin=lambda: (Role.id == UserRole.role_id) & Role.deleted_at.is_(None),
        viewonly=True,
        lazy="raise",
    )
    """The live roles whose assignment counts now, in whatever scope."""
