"""Why a subject may do something, or why not."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from cms_service.schemas._fields import Instant, UserId
from cms_service.schemas.assignment import AssignedRole
from cms_service.schemas.permission import PermissionRef
from cms_service.schemas.role import RoleRef

MOST_REASONS = 100


class GrantPath(Struct):
    """A way by which the subject has the permission."""

    assignment: AssignedRole
    roles: Annotated[
        list[RoleRef],
        Meta(
            min_length=1,
            description="The role that is assigned, those that it inherits by the shortest way, and at the end the "
            "role that holds the permission itself. Of a way of more than 20 roles, both ends.",
        ),
    ]
    permission: Annotated[PermissionRef, Meta(description="What that role holds: the permission, or a wildcard.")]


class DenialCode(StrEnum):
    """What stands in the way."""

    unknown_subject = "unknown_subject"
    deleted_subject = "deleted_subject"
    inactive_subject = "inactive_subject"
    unknown_permission = "unknown_permission"
    permission_not_held = "permission_not_held"
    assignment_expired = "assignment_expired"
    assignment_not_yet_effective = "assignment_not_yet_effective"
    other_scope = "other_scope"


class DenialReason(Struct):
    """One thing that stands in the way."""

    code: Annotated[DenialCode, Meta(examples=["other_scope"])]
    detail: Annotated[
        str, Meta(description="The same for people.", examples=["The assignment is limited to site:shop."])
    ]
    path: Annotated[
        GrantPath | None, Meta(description="What would give the permission, if this and the like did not hold it up.")
    ]


class Explanation(Struct):
    """A decision, and what it rests on, read from the database at one moment."""

    decision: Annotated[bool, Meta(description="Whether the subject may.")]
    subject_id: Annotated[UserId, Meta(description="The account that is meant, if there is one.")] | None
    permission: Annotated[
        str, Meta(description="What is needed: the type of the resource and the action.", examples=["articles:publish"])
    ]
    is_permission_defined: Annotated[bool, Meta(description="Whether there is a permission of this name.")]
    scopes: Annotated[
        list[str],
        Meta(
            description="Assignments in one of these count, and those without a scope.",
            examples=[["articles:launch-day", "site:blog"]],
        ),
    ]
    decided_at: Annotated[Instant, Meta(description="The moment that it holds for.", examples=["2026-05-05T12:00:00Z"])]
    paths: Annotated[
        list[GrantPath],
        Meta(max_length=MOST_REASONS, description="Every way by which the subject has the permission now."),
    ]
    reasons: Annotated[
        list[DenialReason],
        Meta(
            max_length=MOST_REASONS,
            description="Why not, what is the least in the way first. Empty if it may.",
            examples=[[]],
        ),
    ]
    has_more: Annotated[bool, Meta(description="There are more paths or reasons than are shown.", examples=[False])]
