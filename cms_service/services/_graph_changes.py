"""What differs between two states of the role graph."""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from cms_service.core.security import implying
from cms_service.repositories import RoleChange, RoleGraph


def changes_between(before: RoleGraph, after: RoleGraph) -> list[RoleChange]:
    """Permissions that other roles give afterwards, those together that the same roles give."""
    roles = before.parents.keys() | after.parents.keys() | before.permissions.keys() | after.permissions.keys()
    touched = [
        role_id
        for role_id in roles
        if before.parents.get(role_id) != after.parents.get(role_id)
        or before.permissions.get(role_id) != after.permissions.get(role_id)
    ]
    names = {name for role_id in touched for name in _given_by(role_id, before) ^ _given_by(role_id, after)}
    children = {id(graph): _turned(graph.parents) for graph in (before, after)}
    grouped: dict[tuple[frozenset[UUID], frozenset[UUID]], list[str]] = {}
    for name in sorted(names):
        pair = (_giving(name, before, children[id(before)]), _giving(name, after, children[id(after)]))
        if pair[0] != pair[1]:
            grouped.setdefault(pair, []).append(name)
    return [RoleChange(permissions, *pair) for pair, permissions in grouped.items()]


def _given_by(role_id: UUID, graph: RoleGraph) -> set[str]:
    return {name for each in _reach([role_id], graph.parents) for name in graph.permissions.get(each, ())}


def _giving(permission: str, graph: RoleGraph, children: Mapping[UUID, Iterable[UUID]]) -> frozenset[UUID]:
    """The roles that give the permission, be it by a wildcard."""
    names = set(implying(permission))
    return frozenset(_reach((role_id for role_id, held in graph.permissions.items() if held & names), children))


def _reach(starts: Iterable[UUID], links: Mapping[UUID, Iterable[UUID]]) -> Iterator[UUID]:
    waiting = list(starts)
    reached = set(waiting)
    for role_id in waiting:
        yield role_id
        new = set(links.get(role_id, ())) - reached
        reached |= new
        waiting.extend(new)


def _turned(parents: Mapping[UUID, Iterable[UUID]]) -> dict[UUID, list[UUID]]:
    children: dict[UUID, list[UUID]] = {}
    for role_id, ids in parents.items():
        for parent_id in ids:
            children.setdefault(parent_id, []).append(role_id)
    return children
