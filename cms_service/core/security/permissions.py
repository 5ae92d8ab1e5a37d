"""What holding a permission means."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

import msgspec

EVERYTHING = "*:*"

_NEVER, _FOR_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Grant(msgspec.Struct, frozen=True, order=True):
    """A permission, held everywhere or within one scope, for ever or until an instant."""

    permission: str
    """`resource:action`, `resource:*` or `*:*`."""
    scope: str | None = None
    """`type:id` of the one thing it is limited to; None is everywhere."""
    until: datetime | None = None
    """When it ends; None is never."""


def implying(permission: str) -> tuple[str, ...]:
    """The permission, its resource's wildcard and the wildcard of all: whoever holds one of them holds it."""
    return tuple(dict.fromkeys((permission, f"{permission.partition(':')[0]}:*", EVERYTHING)))


def implies(held: Collection[str], permission: str) -> bool:
    """Whether one of `held` is `permission`, its resource's wildcard or the wildcard of all."""
    return permission in held or f"{permission.partition(':')[0]}:*" in held or EVERYTHING in held


def narrowed(held: frozenset[str], to: frozenset[str] | None) -> frozenset[str]:
    """What is left of `held` where a credential allows no more than the permissions `to`; None narrows nothing."""
    if to is None:
        return held
    return frozenset(name for name in held | to if implies(held, name) and implies(to, name))


def exceeding(granted: Iterable[Grant], held: Iterable[Grant]) -> list[Grant]:
    """Those of `granted` that `held` does not cover, sorted.

    What is held everywhere is held in every scope. Nothing covers what lasts longer.
    """
    ends: dict[tuple[str, str | None], datetime] = {}
    for grant in held:
        key = (grant.permission, grant.scope)
        ends[key] = max(ends.get(key, _NEVER), grant.until or _FOR_EVER)

    def is_covered(grant: Grant) -> bool:
        end = grant.until or _FOR_EVER
        return any(
            (name, scope) in ends and end <= ends[name, scope]
            for name in implying(grant.permission)
            for scope in {None, grant.scope}
        )

    return sorted((grant for grant in set(granted) if not is_covered(grant)), key=_order)


def _order(grant: Grant) -> tuple[str, str, datetime]:
    return grant.permission, grant.scope or "", grant.until or _FOR_EVER
