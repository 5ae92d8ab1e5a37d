"""Permissions, as the API shows and takes them."""

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from cms_service.schemas._fields import (
    CreatedAt,
    Description,
    IsSystem,
    PermissionId,
    PermissionName,
    UpdatedAt,
    Version,
)
from cms_service.schemas.page import ListQuery


class PermissionRead(Struct):
    """The name of something that may be done."""

    id: PermissionId
    name: PermissionName
    description: Description
    is_system: IsSystem
    created_at: CreatedAt
    updated_at: UpdatedAt
    version: Version


class PermissionRef(Struct):
    """A permission, as other resources name it."""

    id: PermissionId
    name: PermissionName


class PermissionCreate(Struct, forbid_unknown_fields=True):
    """A new permission. Its name never changes."""

    name: PermissionName
    description: Description = ""


class PermissionUpdate(Struct, forbid_unknown_fields=True):
    """Changes to a permission. An absent member stays as it is."""

    description: Description | UnsetType = UNSET


class PermissionSort(StrEnum):
    """Order of a list of permissions."""

    name = "name"
    name_desc = "name_desc"
    created_at = "created_at"
    created_at_desc = "created_at_desc"


class PermissionQuery(ListQuery, frozen=True, kw_only=True):
    """Which permissions are wanted."""

    sort: PermissionSort
    q: str | None = None
    is_system: bool | None = None
