"""The audit trail."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import select

from cms_service.core.database import Ordering, Slice, Window, fetch_slice
from cms_service.models import AuditEvent


class AuditEventRepository(SQLAlchemyAsyncRepository[AuditEvent]):
    """Events are added and read, nothing else."""

    model_type = AuditEvent

    YOUNGEST_FIRST: ClassVar = Ordering(AuditEvent.at, AuditEvent.id, is_descending=True)

    def append(self, event: AuditEvent) -> None:
        """The event is written with the next flush, many at once."""
        self.session.add(event)

    async def slice(  # noqa: PLR0913 - each is a filter that a caller may leave out
        self,
        window: Window,
        *,
        actor_id: UUID | None = None,
        action: str | None = None,
        target_type: str | None = None,
        target_id: UUID | None = None,
        request_id: str | None = None,
        on_behalf_of: UUID | None = None,
        ip: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Slice:
        """Part of the events that pass every filter given, the youngest first."""
        statement = select(AuditEvent)
        equals = {
            AuditEvent.actor_id: actor_id,
            AuditEvent.action: action,
            AuditEvent.target_type: target_type,
            AuditEvent.target_id: target_id,
            AuditEvent.request_id: request_id,
            AuditEvent.on_behalf_of: on_behalf_of,
            AuditEvent.ip: ip,
        }
        statement = statement.where(*(column == value for column, value in equals.items() if value is not None))
        if after is not None:
            statement = statement.where(AuditEvent.at > after)
        if before is not None:
            statement = statement.where(AuditEvent.at < before)
        return await fetch_slice(self.session, statement, self.YOUNGEST_FIRST, window)
