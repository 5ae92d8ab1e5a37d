"""Keys of service accounts, as the API shows and takes them."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from cms_service.core.security import API_KEY_PATTERN
from cms_service.schemas._fields import TEXT_PATTERN, Instant, PermissionName

ApiKeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=TEXT_PATTERN,
        description="What people know it by.",
        examples=["production, autumn"],
    ),
]
ApiKeyText = Annotated[
    str,
    Meta(
        min_length=55,
        max_length=55,
        pattern=f"^{API_KEY_PATTERN}$",
        description="The key itself. It is shown this once.",
        examples=["cms_k_8zVd3bJ0lQm5Yw2Xn7RtPcKfGh1SsAeUiOoZx4Cv9Bq4mZKDu"],
    ),
]
Narrowing = Annotated[
    list[PermissionName],
    Meta(
        min_length=1,
        max_length=100,
        description="The key allows no more than these permissions, of which its account holds some. "
        "Null allows all that the account holds.",
    ),
]


class ApiKeyRead(Struct):
    """A secret that a machine proves itself with, but for the secret."""

    id: UUID
    name: ApiKeyName
    permissions: Narrowing | None
    created_at: Instant
    created_by: UUID | None
    expires_at: Instant
    last_used_at: Instant | None
    revoked_at: Instant | None


class ApiKeyCreate(Struct, forbid_unknown_fields=True):
    """A new key. Without `expires_at`, it lives as long as the operator lets keys live by default."""

    name: ApiKeyName
    permissions: Narrowing | None = None
    expires_at: Instant | None = None


class ApiKeyCreated(Struct):
    """A new key, with its secret."""

    id: UUID
    name: ApiKeyName
    permissions: Narrowing | None
    created_at: Instant
    created_by: UUID | None
    expires_at: Instant
    last_used_at: Instant | None
    revoked_at: Instant | None
    key: ApiKeyText
