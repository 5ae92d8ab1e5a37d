"""Accounts, as the API shows and takes them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cms_service.schemas._fields import (
    CreatedAt,
    DisplayName,
    Email,
    ExternalId,
    Instant,
    IsActive,
    NewPassword,
    SoughtEmail,
    UpdatedAt,
    UserId,
    Version,
)
from cms_service.schemas.page import ListQuery
from cms_service.schemas.role import RoleRef


class UserRead(Struct):
    """The account of a person."""

    id: UserId
    email: Email
    display_name: DisplayName
    external_id: ExternalId | None
    is_active: IsActive
    email_verified_at: (
        Annotated[
            Instant, Meta(description="When the address was verified, if it was.", examples=["2026-05-01T08:05:00Z"])
        ]
        | None
    )
    created_at: CreatedAt
    updated_at: UpdatedAt
    version: Version
    roles: Annotated[list[RoleRef], Meta(description="Roles that it has now.")]


class UserRef(Struct):
    """An account, as other resources name it."""

    id: UserId
    email: Email
    display_name: DisplayName


class UserCreate(Struct, forbid_unknown_fields=True):
    """A new account. Without a password nobody can sign in to it yet."""

    email: Email
    display_name: DisplayName
    external_id: ExternalId | None = None
    password: NewPassword | None = None
    is_active: IsActive = True


class UserUpdate(Struct, forbid_unknown_fields=True):
    """Changes to an account. An absent member stays as it is; null empties it."""

    email: SoughtEmail | UnsetType = UNSET
    display_name: DisplayName | UnsetType = UNSET
    external_id: ExternalId | UnsetType | None = UNSET
    is_active: IsActive | UnsetType = UNSET


class OwnUserUpdate(Struct, forbid_unknown_fields=True):
    """Changes to one's own account. An absent member stays as it is."""

    email: SoughtEmail | UnsetType = UNSET
    display_name: DisplayName | UnsetType = UNSET


class UserSort(StrEnum):
    """Order of a list of accounts."""

    created_at = "created_at"
    created_at_desc = "created_at_desc"
    email = "email"
    email_desc = "email_desc"
    display_name = "display_name"
    display_name_desc = "display_name_desc"


class UserQuery(ListQuery, frozen=True, kw_only=True):
    """Which accounts are wanted."""

    sort: UserSort
    q: str | None = None
    email: str | None = None
    external_id: str | None = None
    is_active: bool | None = None
    is_deleted: bool = False
    role: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
