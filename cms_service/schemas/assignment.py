"""Roles of a user, and what they amount to."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import AssignmentId, ExpiresAt, GrantedAt, GrantedBy, NotBefore, Reason, RoleId, Scope
from cms_service.schemas.permission import PermissionRef
from cms_service.schemas.role import RoleRef


class RoleAssignment(Struct, forbid_unknown_fields=True):
    """A role for a user: where, when and why. You must hold every permission of the role, there or everywhere."""

    role_id: RoleId
    scope: Scope | None = None
    not_before: NotBefore | None = None
    expires_at: ExpiresAt | None = None
    reason: Reason | None = None


class RoleAssignmentTerms(Struct, forbid_unknown_fields=True):
    """Where, when and why a user has a role. A `role_id`, if given, must be the one in the path."""

    role_id: Annotated[RoleId, Meta(description="The same as in the path.", examples=[])] | UnsetType = UNSET
    scope: Scope | None = None
    not_before: NotBefore | None = None
    expires_at: ExpiresAt | None = None
    reason: Reason | None = None


class RoleAssignmentsReplace(Struct, forbid_unknown_fields=True):
    """All assignments that a user shall have."""

    assignments: Annotated[list[RoleAssignment], Meta(max_length=100, description="No others than these.")]


class AssignedRole(Struct):
    """A role that a user has."""

    id: AssignmentId
    role: RoleRef
    scope: Scope | None
    not_before: NotBefore | None
    expires_at: ExpiresAt | None
    reason: Reason | None
    granted_by: GrantedBy | None
    granted_at: GrantedAt


class PermissionSource(AssignedRole):
    """An assignment that gives a permission, and the way on which the role comes by it."""

    via: Annotated[
        list[RoleRef],
        Meta(
            description="From the role's parent to the role that holds the permission itself; empty where the assigned "
            "role does. Of a way of more than 20 roles, both ends.",
            examples=[[]],
        ),
    ]


class EffectivePermission(Struct):
    """A permission that a user holds at this moment, and the ways on which it comes."""

    permission: PermissionRef
    scope: Scope | None
    sources: Annotated[
        list[PermissionSource],
        Meta(
            description="The ways on which it comes, the shortest first. One answer tells about a thousand, shared "
            "equally among its permissions; each has one at the least."
        ),
    ]
