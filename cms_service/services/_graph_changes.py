"""What differs between two states of the role graph."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias, TypeVar
from uuid import UUID

from cms_service.core.security import implying
from cms_service.repositories import RoleChange, RoleGraph

T = TypeVar("T", bound=Hashable)
_Roles: TypeAlias = frozenset[UUID]


def changes_between(before: RoleGraph, after: RoleGraph) -> list[RoleChange]:
    """Permissions that other roles give afterwards, those together that the same roles give."""
    old, new = _Ways(before), _Ways(after)
    held: dict[tuple[_Roles, _Roles], list[str]] = {}
    for name in sorted(_touched(before, after)):
        held.setdefault((old.holding(name), new.holding(name)), []).append(name)
    given: dict[tuple[_Roles, _Roles], list[str]] = {}
    for (holding_before, holding_after), names in held.items():
        pair = old.giving(holding_before), new.giving(holding_after)
        if pair[0] != pair[1]:
            given.setdefault(pair, []).extend(names)
    return [RoleChange(sorted(names), *pair) for pair, names in given.items()]


class _Ways:
    """The graph the other way round: from a permission to the roles that hold it, and on to those that inherit them."""

    def __init__(self, graph: RoleGraph) -> None:
        self._holders = _turned(graph.permissions)
        self._children = _turned(graph.parents)
        self._names = graph.names
        self._giving: dict[_Roles, _Roles] = {}

    def holding(self, permission: str) -> _Roles:
        """The roles that hold the permission, if there is one, themselves, be it by a wildcard."""
        if permission not in self._names:
            return frozenset()
        return frozenset().union(*(self._holders.get(name, ()) for name in implying(permission)))

    def giving(self, holding: _Roles) -> _Roles:
        """These roles and all that inherit them."""
        if holding not in self._giving:
            self._giving[holding] = frozenset(_reach(holding, self._children))
        return self._giving[holding]


def _touched(before: RoleGraph, after: RoleGraph) -> set[str]:
    """The permissions that some role holds or inherits otherwise than before, and perhaps a few more."""
    names = before.names ^ after.names
    for role_id in before.permissions.keys() | after.permissions.keys():
        names |= before.permissions.get(role_id, set()) ^ after.permissions.get(role_id, set())
    linked: set[UUID] = set()
    for role_id in before.parents.keys() | after.parents.keys():
        linked |= before.parents.get(role_id, set()) ^ after.parents.get(role_id, set())
    for graph in (before, after):
        for role_id in _reach(linked, graph.parents):
            names |= graph.permissions.get(role_id, set())
    return names


def _reach(starts: Iterable[UUID], links: Mapping[UUID, Iterable[UUID]]) -> set[UUID]:
    reached = set(starts)
    waiting = list(reached)
    for role_id in waiting:
        for each in links.get(role_id, ()):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    return reached


def _turned(links: Mapping[UUID, Iterable[T]]) -> dict[T, list[UUID]]:
    turned: dict[T, list[UUID]] = {}
    for role_id, ends in links.items():
        for end in ends:
            turned.setdefault(end, []).append(role_id)
    return turned
