"""Who is calling."""

from uuid import UUID

import msgspec

from cms_service.core.security.permissions import implies


class Principal(msgspec.Struct, frozen=True):
    """A caller whose credential was verified, and what it may do everywhere."""

    user_id: UUID
    session_id: UUID
    authenticated_at: int
    """When the user last proved who they are, in seconds since the epoch."""
    permissions: frozenset[str]
    """Held without a scope: the service's own resources have none."""

    def holds(self, permission: str) -> bool:
        return implies(self.permissions, permission)
