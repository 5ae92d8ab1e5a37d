"""What tables have in common."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from advanced_alchemy.base import BasicAttributes, convention
from sqlalchemy import DateTime, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from uuid_utils.compat import uuid7


class Base(BasicAttributes, DeclarativeBase):
    """Registry and defaults of every table. What the database computes comes back with the write (RETURNING)."""

    metadata = MetaData(naming_convention=convention)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB}
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - SQLAlchemy types it as it likes


class Identified:
    """A UUIDv7 id: sorts by time of creation and says nothing else."""

    id: Mapped[UUID] = mapped_column(default=uuid7, primary_key=True, sort_order=-1)


class Timestamped:
    """When the row was made and last changed, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=91)


class SoftDeleted:
    """A deleted row stays, for the audit trail and for restoring; it counts nowhere else."""

    deleted_at: Mapped[datetime | None] = mapped_column(default=None, sort_order=92)


class Versioned:
    """Counts the changes of a row, so that a lost update is noticed."""

    version: Mapped[int] = mapped_column(server_default="1", sort_order=93)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy passes the class
        return {"eager_defaults": True, "version_id_col": cls.version}
