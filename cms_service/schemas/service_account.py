"""Service accounts, as the API shows and takes them."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import (
    ROLE_NAME_PATTERN,
    CreatedAt,
    Description,
    IsActive,
    ServiceAccountId,
    UpdatedAt,
    Version,
)
from cms_service.schemas.page import ListQuery
from cms_service.schemas.role import RoleRef

ServiceAccountName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=ROLE_NAME_PATTERN,
        description="Machine name, unique.",
        examples=["publishing"],
    ),
]


class ServiceAccountRead(Struct):
    """The identity of a machine."""

    id: ServiceAccountId
    name: ServiceAccountName
    description: Description
    is_active: IsActive
    created_at: CreatedAt
    updated_at: UpdatedAt
    version: Version
    roles: Annotated[list[RoleRef], Meta(description="Roles that it has now.")]


class ServiceAccountCreate(Struct, forbid_unknown_fields=True):
    """A new service account, without roles and keys."""

    name: ServiceAccountName
    description: Description = ""
    is_active: IsActive = True


class ServiceAccountUpdate(Struct, forbid_unknown_fields=True):
    """Changes to a service account. An absent member stays as it is. Deactivating it revokes its keys."""

    name: ServiceAccountName | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_active: IsActive | UnsetType = UNSET


class ServiceAccountSort(StrEnum):
    """Order of a list of service accounts."""

    name = "name"
    name_desc = "name_desc"
    created_at = "created_at"
    created_at_desc = "created_at_desc"


class ServiceAccountQuery(ListQuery, frozen=True, kw_only=True):
    """Which service accounts are wanted."""

    sort: ServiceAccountSort
    q: str | None = None
    is_active: bool | None = None
