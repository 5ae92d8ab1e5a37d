"""Roles of a user, and what they amount to."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import Instant, Reason, Scope
from cms_service.schemas.permission import PermissionRef
from cms_service.schemas.role import RoleRef


class RoleAssignment(Struct, forbid_unknown_fields=True):
    """A role for a user: where, when and why. You must hold every permission of the role, there or everywhere."""

    role_id: UUID
    scope: Scope | None = None
    not_before: Instant | None = None
    expires_at: Instant | None = None
    reason: Reason | None = None


class RoleAssignmentTerms(Struct, forbid_unknown_fields=True):
    """Where, when and why a user has a role. A `role_id`, if given, must be the one in the path."""

    role_id: UUID | UnsetType = UNSET
    scope: Scope | None = None
    not_before: Instant | None = None
    expires_at: Instant | None = None
    reason: Reason | None = None


class RoleAssignmentsReplace(Struct, forbid_unknown_fields=True):
    """All assignments that a user shall have."""

    assignments: Annotated[list[RoleAssignment], Meta(max_length=100)]


class AssignedRole(Struct):
    """A role that a user has."""

    id: UUID
    role: RoleRef
    scope: Scope | None
    not_before: Instant | None
    expires_at: Instant | None
    reason: Reason | None
    granted_by: UUID | None
    granted_at: Instant


class PermissionSource(AssignedRole):
    """An assignment that gives a permission, and the way on which the role comes by it."""

    via: list[RoleRef]
    """From the role's parent to the role that holds the permission itself; empty where the assigned role does. Of a
    way of more than 20 roles, both ends."""


class EffectivePermission(Struct):
    """A permission that a user holds at this moment, and every way on which it comes."""

    permission: PermissionRef
    scope: Scope | None
    sources: list[PermissionSource]
