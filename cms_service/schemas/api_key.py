"""Keys of service accounts, as the API shows and takes them."""

from typing import Annotated

from msgspec import Meta, Struct

from cms_service.core.security import API_KEY_PATTERN
from cms_service.schemas._fields import SHOWN, ApiKeyId, CreatedAt, GrantedBy, Instant, PermissionName, Shown

ApiKeyName = Annotated[
    Shown,
    Meta(
        min_length=1,
        max_length=100,
        description=f"What people know it by. {SHOWN}",
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
KeyExpiry = Annotated[Instant, Meta(description="When the key ceases to count.", examples=["2026-11-01T00:00:00Z"])]
Narrowing = Annotated[
    list[PermissionName],
    Meta(
        min_length=1,
        max_length=100,
        description="The key allows no more than these permissions, of which its account holds some. "
        "Null allows all that the account holds.",
    ),
]


LastUsedAt = Annotated[
    Instant, Meta(description="When it was last used; null: never.", examples=["2026-05-03T09:30:00Z"])
]
RevokedAt = Annotated[
    Instant, Meta(description="When it was revoked; null: it counts.", examples=["2026-05-03T16:45:00Z"])
]


class ApiKeyRead(Struct):
    """A secret that a machine proves itself with, but for the secret."""

    id: ApiKeyId
    name: ApiKeyName
    permissions: Narrowing | None
    created_at: CreatedAt
    created_by: GrantedBy | None
    expires_at: KeyExpiry
    last_used_at: LastUsedAt | None
    revoked_at: RevokedAt | None


class ApiKeyCreate(Struct, forbid_unknown_fields=True):
    """A new key. Without `expires_at`, it lives as long as the operator lets keys live by default."""

    name: ApiKeyName
    permissions: Narrowing | None = None
    expires_at: KeyExpiry | None = None


class ApiKeyCreated(ApiKeyRead):
    """A new key, with its secret."""

    key: ApiKeyText
