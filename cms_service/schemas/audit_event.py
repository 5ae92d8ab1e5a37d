"""The audit trail, as the API shows it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from cms_service.schemas._fields import REQUEST_ID, Address, ApiKeyId, Instant, ServiceAccountId, SessionId, UserId
from cms_service.schemas.page import ListQuery

AuditState = Annotated[
    dict[str, Any],
    Meta(
        title="AuditState",
        description="The members that changed, as they were or as they are.",
        examples=[{"display_name": "Ada Lovelace"}],
        extra_json_schema={"additionalProperties": True},
    ),
]


class AuditEventRead(Struct):
    """One change or refusal. `before` and `after` hold the members that changed; secrets are never among them."""

    id: Annotated[UUID, Meta(description="Id of the event.", examples=["0190c8a5-6b2f-7143-9e3b-d9a7f6e5b482"])]
    at: Annotated[Instant, Meta(description="When it happened.", examples=["2026-05-03T09:30:00Z"])]
    actor_id: (
        Annotated[ServiceAccountId, Meta(description="Who did it; null: the service, or nobody who is known.")] | None
    )
    actor_type: (
        Annotated[
            str,
            Meta(
                description="Type of that account: `user` or `service_account`. Null when it no longer exists.",
                examples=["service_account"],
            ),
        ]
        | None
    )
    actor_name: (
        Annotated[
            str,
            Meta(
                description="Present name of that account: the display name of a user, the name of a service account.",
                examples=["publishing"],
            ),
        ]
        | None
    )
    session_id: Annotated[SessionId, Meta(description="The session in which it was done, if in one.")] | None
    action: Annotated[str, Meta(description="What was done: a resource and a verb.", examples=["user.updated"])]
    target_type: (
        Annotated[
            str,
            Meta(
                description="Type of the thing it was done to: `user`, `role`, `permission`, `service_account`, "
                "`api_key`, `session`, `token` or `signing_key`. Later versions may add types.",
                examples=["user"],
            ),
        ]
        | None
    )
    target_id: Annotated[UserId, Meta(description="Id of that thing.")] | None
    target_name: (
        Annotated[
            str,
            Meta(
                description="Present name of that thing: the display name of a user, or of the user of a session; the "
                "`name` of anything else. Null when it has no name or no longer exists.",
                examples=["Ada Lovelace"],
            ),
        ]
        | None
    )
    before: Annotated[AuditState | None, Meta(examples=[{"display_name": "Ada Byron"}])]
    after: AuditState | None
    request_id: Annotated[str, Meta(description="The `X-Request-ID` of the request.", examples=[REQUEST_ID])] | None
    ip: Address | None
    credential_id: (
        Annotated[
            ApiKeyId, Meta(description="The API key that was used, itself or as a token that it was exchanged for.")
        ]
        | None
    )
    credential_name: (
        Annotated[
            str,
            Meta(
                description="Present name of that key. Null when it no longer exists.", examples=["production, autumn"]
            ),
        ]
        | None
    )
    on_behalf_of: (
        Annotated[UserId, Meta(description="The user for whom the service account in `actor_id` acted.")] | None
    )
    on_behalf_of_name: (
        Annotated[
            str,
            Meta(
                description="Present display name of that user. Null when the account no longer exists.",
                examples=["Ada Lovelace"],
            ),
        ]
        | None
    )


class AuditEventQuery(ListQuery, frozen=True, kw_only=True):
    """Which events are wanted, the youngest first."""

    actor_id: UUID | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: UUID | None = None
    request_id: str | None = None
    on_behalf_of: UUID | None = None
    ip: str | None = None
    after: datetime | None = None
    before: datetime | None = None
