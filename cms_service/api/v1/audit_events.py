"""The audit trail."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import QueryParameter

from cms_service.api.dependencies import provided
from cms_service.api.parameters import DEFAULT_LIMIT, After, Before, Cursor, Exactly, IncludeTotal, Limit
from cms_service.core.security import requires
from cms_service.schemas import TEXT_PATTERN, AuditEventQuery, AuditEventRead, Page, SoughtAddress
from cms_service.services import AuditEventService


class AuditEventController(Controller):
    path = "/audit-events"
    tags = ("audit",)
    dependencies = provided("audit_events")

    @get(
        operation_id="listAuditEvents",
        summary="List audit events",
        guards=[requires("audit:read")],
    )
    async def list_audit_events(
        self,
        audit_events: AuditEventService,
        actor_id: Annotated[
            UUID | None, QueryParameter(description="Only what this user or service account did.")
        ] = None,
        action: Exactly = None,
        target_type: Exactly = None,
        target_id: Annotated[UUID | None, QueryParameter(description="Only what happened to this.")] = None,
        request_id: Exactly = None,
        on_behalf_of: Annotated[
            UUID | None, QueryParameter(description="Only what service accounts did for this user.")
        ] = None,
        ip: Annotated[
            SoughtAddress | None,
            QueryParameter(
                min_length=2,
                max_length=45,
                pattern=TEXT_PATTERN,
                description="Only what came from this IP address, in any spelling.",
            ),
        ] = None,
        after: After = None,
        before: Before = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        include_total: IncludeTotal = False,
    ) -> Page[AuditEventRead]:
        """Changes and refusals that pass every filter given, the youngest first.

        The names beside the ids are looked up for each answer and are not stored in the trail. Several people may have
        the same name; the ids tell them apart.
        """
        return await audit_events.list_events(
            AuditEventQuery(
                actor_id=actor_id,
                action=action,
                target_type=target_type,
                target_id=target_id,
                request_id=request_id,
                on_behalf_of=on_behalf_of,
                ip=ip,
                after=after,
                before=before,
                limit=limit,
                cursor=cursor,
                include_total=include_total,
            )
        )
