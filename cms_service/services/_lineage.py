"""The ways through the role graph."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from cms_service.models import Role

MOST_ROLES_OF_A_WAY = 20


class Lineage:
    """From the parents of one role to all that it inherits, each on the shortest way."""

    def __init__(self, first: Iterable[Role], parents: Mapping[UUID, Sequence[Role]]) -> None:
        self._ways: dict[UUID, tuple[Role, UUID | None]] = {role.id: (role, None) for role in first}
        """Each role, and from where it is reached first."""
        self._distances = dict.fromkeys(self._ways, 1)
        waiting = list(self._ways)
        for role_id in waiting:
            for parent in parents.get(role_id, ()):
                if parent.id not in self._ways:
                    self._ways[parent.id] = (parent, role_id)
                    self._distances[parent.id] = self._distances[role_id] + 1
                    waiting.append(parent.id)

    def reaches(self, role_id: UUID) -> bool:
        """Whether the role is inherited."""
        return role_id in self._ways

    def distance_to(self, role_id: UUID) -> int:
        """How many roles there are on the way; none where it is not inherited."""
        return self._distances.get(role_id, 0)

    def way_to(self, role_id: UUID) -> list[Role]:
        """From one of the parents to this role; nothing where it is not inherited."""
        way: list[Role] = []
        here = role_id if role_id in self._ways else None
        while here is not None:
            role, here = self._ways[here]
            way.append(role)
        return way[::-1]


def shortened(way: list[Role]) -> list[Role]:
    """Both ends of a way that is too long to tell."""
    half = MOST_ROLES_OF_A_WAY // 2
    return way if len(way) <= MOST_ROLES_OF_A_WAY else [*way[:half], *way[-half:]]
