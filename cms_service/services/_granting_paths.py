"""The ways from a role to what it gives."""

from collections import deque
from collections.abc import Iterator
from uuid import UUID

from cms_service.models import Permission, Role
from cms_service.repositories import GrantingRoles
from cms_service.services._lineage import shortened


def granting_paths(graph: GrantingRoles, role_id: UUID) -> Iterator[tuple[list[Role], Permission]]:
    """From the role to each role that holds one of the permissions itself, by the shortest way; the shortest first.

    One way for each such role and permission is enough: all ways through a graph may be more than anybody can count.
    """
    ways: dict[UUID, UUID | None] = {role_id: None}
    queue = deque([role_id] if role_id in graph.roles else [])
    while queue:
        here = queue.popleft()
        for permission in graph.permissions.get(here, ()):
            yield shortened(_way_to(graph, ways, here)), permission
        for parent_id in graph.parents.get(here, ()):
            if parent_id not in ways:
                ways[parent_id] = here
                queue.append(parent_id)


def _way_to(graph: GrantingRoles, ways: dict[UUID, UUID | None], role_id: UUID) -> list[Role]:
    way: list[Role] = []
    here: UUID | None = role_id
    while here is not None:
        way.append(graph.roles[here])
        here = ways[here]
    return way[::-1]
