"""What holding a permission means."""

from collections.abc import Collection, Iterable

import msgspec

EVERYTHING = "*:*"


class Grant(msgspec.Struct, frozen=True, order=True):
    """A permission, held everywhere or within one scope."""

    permission: str
    """`resource:action`, `resource:*` or `*:*`."""
    scope: str | None = None
    """`type:id` of the one thing it is limited to; None is everywhere."""


def implies(held: Collection[str], permission: str) -> bool:
    """Whether one of `held` is `permission`, its resource's wildcard or the wildcard of all."""
    return permission in held or f"{permission.partition(':')[0]}:*" in held or EVERYTHING in held


def exceeding(granted: Iterable[Grant], held: Collection[Grant]) -> list[Grant]:
    """Those of `granted` that `held` does not cover, sorted. What is held everywhere is held in every scope."""
    everywhere = {grant.permission for grant in held if grant.scope is None}
    within: dict[str, set[str]] = {}
    for grant in held:
        if grant.scope is not None:
            within.setdefault(grant.scope, set()).add(grant.permission)
    return sorted(
        (
            grant
            for grant in set(granted)
            if not implies(everywhere, grant.permission)
            and not (grant.scope is not None and implies(within.get(grant.scope, ()), grant.permission))
        ),
        key=lambda grant: (grant.permission, grant.scope or ""),
    )
