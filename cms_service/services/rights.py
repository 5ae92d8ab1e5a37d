"""What assignments and roles amount to at a moment."""

from collections.abc import Iterable, Mapping
from math import inf
from uuid import UUID

import msgspec

from cms_service.core.security import EVERYTHING
from cms_service.repositories import HeldRole, RoleClosure

NOTHING: frozenset[str] = frozenset()


class Rights(msgspec.Struct, frozen=True):
    """What a subject may do, and until when that stays so by itself."""

    everywhere: frozenset[str]
    """Names of permissions that are held without a scope."""
    within: dict[str, frozenset[str]]
    """What is held besides, under the one scope that it is limited to."""
    until: float
    """When a window opens or closes, by the database's clock in seconds since the epoch."""

    def has(self, permission: str, scopes: Iterable[str]) -> bool:
        """Whether the permission itself is held everywhere or in one of the scopes."""
        if permission in self.everywhere:
            return True
        within = self.within
        return bool(within) and any(permission in within.get(scope, NOTHING) for scope in scopes)

    def has_wildcard(self, permission: str, scopes: Iterable[str]) -> bool:
        """The same for the wildcards that imply it."""
        return self.has(EVERYTHING, scopes) or self.has(f"{permission.partition(':')[0]}:*", scopes)


def rights_of(held_roles: Iterable[HeldRole], closures: Mapping[UUID, RoleClosure], now: float) -> Rights:
    """What the roles amount to at `now`. `closures` has every role that is held."""
    sets: dict[str | None, frozenset[str]] = {}
    until = inf
    for held in held_roles:
        if held.not_before is not None and held.not_before > now:
            until = min(until, held.not_before)
            continue
        if held.expires_at is not None:
            if held.expires_at <= now:
                continue
            until = min(until, held.expires_at)
        added = closures[held.role_id].permissions
        present = sets.get(held.scope)
        # Sets are shared where they can be: thousands of subjects have the same roles.
        sets[held.scope] = added if present is None or present <= added else present | added
    everywhere = sets.pop(None, NOTHING)
    return Rights(everywhere, {scope: held for scope, held in sets.items() if scope is not None}, until)
