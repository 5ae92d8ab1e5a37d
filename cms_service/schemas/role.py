"""Roles, as the API shows and takes them."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cms_service.schemas._fields import (
    CreatedAt,
    Description,
    IsSystem,
    PermissionIds,
    RoleId,
    RoleIds,
    RoleName,
    Title,
    UpdatedAt,
    Version,
)
from cms_service.schemas.page import ListQuery
from cms_service.schemas.permission import PermissionRef

EXAMPLE_PARENT = {"id": "0190c8a1-2b6e-7d93-9c40-e8f1a5d27b06", "name": "author", "title": "Author"}
"""What the role that is shown inherits."""
EXAMPLE_MEMBER = {"id": "0190c8a1-0a17-7e5c-b2d8-4f96c1e0a873", "name": "member", "title": "Member"}
"""The role of whoever registers."""


class RoleRef(Struct):
    """A role, as other resources name it."""

    id: RoleId
    name: RoleName
    title: Title


class RoleRead(Struct):
    """A named set of permissions: those that it holds itself, and what its parents give."""

    id: RoleId
    name: RoleName
    title: Title
    description: Description
    is_system: IsSystem
    created_at: CreatedAt
    updated_at: UpdatedAt
    version: Version
    permissions: Annotated[list[PermissionRef], Meta(description="What the role holds itself.")]
    parents: Annotated[list[RoleRef], Meta(description="Roles that it inherits directly.", examples=[[EXAMPLE_PARENT]])]


class RoleCreate(Struct, forbid_unknown_fields=True):
    """A new role. You must hold every permission that you put into it, and all that its parents give."""

    name: RoleName
    title: Title
    description: Description = ""
    permission_ids: Annotated[PermissionIds, Meta(description="What the role shall hold itself.")] = field(
        default_factory=list
    )
    parent_ids: Annotated[
        RoleIds, Meta(description="Roles that it shall inherit directly.", examples=[[EXAMPLE_PARENT["id"]]])
    ] = field(default_factory=list)


class RoleUpdate(Struct, forbid_unknown_fields=True):
    """Changes to a role. An absent member stays as it is."""

    name: RoleName | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class RolePermissionsReplace(Struct, forbid_unknown_fields=True):
    """The whole set of permissions that a role shall hold."""

    permission_ids: Annotated[PermissionIds, Meta(description="No others than these.")]


class RoleParentsReplace(Struct, forbid_unknown_fields=True):
    """All roles that a role shall inherit directly."""

    parent_ids: Annotated[RoleIds, Meta(description="No others than these.", examples=[[EXAMPLE_PARENT["id"]]])]


class RoleSort(StrEnum):
    """Order of a list of roles."""

    name = "name"
    name_desc = "name_desc"
    created_at = "created_at"
    created_at_desc = "created_at_desc"


class RoleQuery(ListQuery, frozen=True, kw_only=True):
    """Which roles are wanted."""

    sort: RoleSort
    q: str | None = None
    is_system: bool | None = None
    permission: str | None = None
