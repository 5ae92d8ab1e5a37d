"""What a write would change about who may do what."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import PermissionName, Scope
from cms_service.schemas.holder import SubjectRef

MOST_CHANGES = 100

Count = Annotated[int, Meta(ge=0, le=2**53 - 1, examples=[1])]


class ChangedGrant(Struct):
    """A permission that somebody would gain or lose."""

    subject: SubjectRef
    permission: PermissionName
    scope: Scope | None


class ChangedGrants(Struct):
    """All that would be gained, or lost, at this moment."""

    total: Annotated[Count, Meta(description="How many permissions, of all accounts together.")]
    subjects: Annotated[Count, Meta(description="How many accounts.")]
    items: Annotated[
        list[ChangedGrant],
        Meta(
            max_length=MOST_CHANGES,
            description="The first hundred. Users are named if you hold `users:read`, service accounts if you hold "
            "`service_accounts:read`.",
        ),
    ]


class AccessPreview(Struct):
    """Who would gain and who would lose which permission. Nothing was written."""

    gains: ChangedGrants
    losses: Annotated[ChangedGrants, Meta(examples=[{"total": 0, "subjects": 0, "items": []}])]
