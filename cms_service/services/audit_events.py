"""Reading the audit trail, and recording refusals in it."""

from collections.abc import Iterator

from cms_service.core.database import UnitOfWork, WorkFactory
from cms_service.core.exceptions import ServiceError
from cms_service.core.security import Actor, CursorCodec, parse_address
from cms_service.models import AuditEvent
from cms_service.repositories import AuditEventRepository, AuditNameRepository, Reference
from cms_service.schemas import AuditEventQuery, AuditEventRead, Page
from cms_service.services._listing import Listing
from cms_service.services._reading import ACTOR_TYPES, read_audit_event
from cms_service.services.audit_trail import AuditTrail


class AuditEventService:
    """Shows who changed what, and when."""

    def __init__(self, work: UnitOfWork, cursors: CursorCodec) -> None:
        self._events = AuditEventRepository(session=work.session, wrap_exceptions=False)
        self._names = AuditNameRepository(work)
        self._cursors = cursors

    async def list_events(self, query: AuditEventQuery) -> Page[AuditEventRead]:
        """The youngest first, with the names that the things they tell of have now."""
        listing = Listing(self._cursors, "audit-events")
        part = await self._events.slice(
            listing.window(query),
            actor_id=query.actor_id,
            action=query.action,
            target_type=query.target_type,
            target_id=query.target_id,
            request_id=query.request_id,
            on_behalf_of=query.on_behalf_of,
            ip=None if query.ip is None else str(parse_address(query.ip)),
            after=query.after,
            before=query.before,
        )
        # After the events: whatever a listed event tells of has been committed by then.
        names = await self._names.find(reference for event in part.rows for reference in _references(event))
        return listing.page(part, lambda event: read_audit_event(event, names))


def _references(event: AuditEvent) -> Iterator[Reference]:
    """All things that are named beside their ids."""
    if event.actor_id is not None:
        yield from ((account_type, event.actor_id) for account_type in ACTOR_TYPES)
    if event.target_type is not None and event.target_id is not None:
        yield event.target_type, event.target_id
    if event.credential_id is not None:
        yield "api_key", event.credential_id
    if event.on_behalf_of is not None:
        yield "user", event.on_behalf_of


class RefusalRecorder:
    """Writes refusals down in a unit of work of their own, since that of the request is rolled back."""

    def __init__(self, work: WorkFactory) -> None:
        self._work = work

    async def record(self, actor: Actor, operation: str, refusal: ServiceError) -> None:
        """The refusal of what the actor wanted is on record; `operation` is a method and a path template."""
        async with self._work() as work:
            AuditTrail(work, actor).record(
                "access.refused", after={"operation": operation, "code": refusal.code, "detail": refusal.detail}
            )
