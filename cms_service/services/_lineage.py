"""The ways through the role graph."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from cms_service.models import Role


class Lineage:
    """From one role to all that it inherits, each on the shortest way."""

    def __init__(self, root_id: UUID, parents: Mapping[UUID, Sequence[Role]]) -> None:
        self._before: dict[UUID, tuple[UUID, Role]] = {}
        """From where each role is reached first."""
        waiting = [root_id]
        for role_id in waiting:
            for parent in parents.get(role_id, ()):
                if parent.id not in self._before and parent.id != root_id:
                    self._before[parent.id] = (role_id, parent)
                    waiting.append(parent.id)

    def reaches(self, role_id: UUID) -> bool:
        """Whether the role is inherited."""
        return role_id in self._before

    def way_to(self, role_id: UUID) -> list[Role]:
        """The roles after the first one, up to this one; none where it is the first one."""
        way: list[Role] = []
        while role_id in self._before:
            role_id, role = self._before[role_id]
            way.append(role)
        return way[::-1]
