"""Who is calling."""

from enum import StrEnum
from uuid import UUID

import msgspec

from cms_service.core.security.permissions import implies


class SubjectType(StrEnum):
    """What can hold roles."""

    user = "user"
    service = "service"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose credential was verified, and what it may do everywhere."""

    subject_type: SubjectType
    subject_id: UUID
    """The user or the service account whose rights decide."""
    permissions: frozenset[str]
    """Held without a scope: the service's own resources have none. Narrowed as the credential is."""
    scoped_permissions: dict[str, frozenset[str]] = {}
    """Held besides, by the one scope that each is limited to. Not narrowed."""
    session_id: UUID | None = None
    """Of users."""
    authenticated_at: int = 0
    """When the user last proved who they are, in seconds since the epoch."""
    credential_id: UUID | None = None
    """The API key of a service account, used itself or exchanged for the token."""
    narrowed_to: frozenset[str] | None = None
    """The permissions that the credential narrows its subject's to; None narrows nothing."""
    acting_service_id: UUID | None = None
    """The service account that acts on behalf of the user, if one does."""

    def holds(self, permission: str) -> bool:
        return implies(self.permissions, permission)
