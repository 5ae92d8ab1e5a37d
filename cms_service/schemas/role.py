"""Roles, as the API shows and takes them."""

from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, field

from cms_service.schemas._fields import Description, Ids, Instant, RoleName, Title, Version
from cms_service.schemas.page import ListQuery
from cms_service.schemas.permission import PermissionRef


class RoleRef(Struct):
    """A role, as other resources name it."""

    id: UUID
    name: RoleName
    title: Title


class RoleRead(Struct):
    """A named set of permissions: those that it holds itself, and what its parents give."""

    id: UUID
    name: RoleName
    title: Title
    description: Description
    is_system: bool
    created_at: Instant
    updated_at: Instant
    version: Version
    permissions: list[PermissionRef]
    parents: list[RoleRef]


class RoleCreate(Struct, forbid_unknown_fields=True):
    """A new role. You must hold every permission that you put into it, and all that its parents give."""

    name: RoleName
    title: Title
    description: Description = ""
    permission_ids: Ids = field(default_factory=list)
    parent_ids: Ids = field(default_factory=list)


class RoleUpdate(Struct, forbid_unknown_fields=True):
    """Changes to a role. An absent member stays as it is."""

    name: RoleName | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class RolePermissionsReplace(Struct, forbid_unknown_fields=True):
    """The whole set of permissions that a role shall hold."""

    permission_ids: Ids


class RoleParentsReplace(Struct, forbid_unknown_fields=True):
    """All roles that a role shall inherit directly."""

    parent_ids: Ids


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
