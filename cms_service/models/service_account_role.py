"""Which service account holds which role, where, when and why."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cms_service.models._assignment import Assignment
from cms_service.models._base import Base


class ServiceAccountRole(Assignment, Base):
    """An assignment of a role to a service account."""

    __tablename__ = "service_account_roles"
    __table_args__ = (
        UniqueConstraint(
            "service_account_id",
            "role_id",
            "scope",
            name="uq_service_account_roles_service_account_id_role_id_scope",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("expires_at > not_before", name="window_not_empty"),
        Index("ix_service_account_roles_role_id", "role_id", "service_account_id"),
        Index("ix_service_account_roles_role_id_scope", "role_id", text("coalesce(scope, '')"), "service_account_id"),
    )

    service_account_id: Mapped[UUID] = mapped_column(ForeignKey("service_accounts.id", ondelete="CASCADE"))
