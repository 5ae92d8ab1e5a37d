"""What assigning roles has in common, whoever holds them."""

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from cms_service.core.exceptions import Violation
from cms_service.models import Assignment
from cms_service.schemas import RoleAssignment

AssignmentKey = tuple[UUID, str | None]
"""The role and the scope: nobody has the same role twice in one scope."""


def key_of(row: Assignment) -> AssignmentKey:
    return row.role_id, row.scope


def is_as(row: Assignment | None, item: RoleAssignment) -> bool:
    """Whether the assignment is on these terms already."""
    return row is not None and (row.not_before, row.expires_at, row.reason) == (
        item.not_before,
        item.expires_at,
        item.reason,
    )


def pointers(count: int) -> list[str]:
    """Where the items of a whole set of assignments stand in the body."""
    return [f"/assignments/{index}" for index in range(count)]


def assignment_violations(
    items: Sequence[RoleAssignment], known_roles: Collection[UUID], places: Sequence[str]
) -> Iterator[Violation]:
    """All that is wrong with the items, each at its place."""
    seen: set[AssignmentKey] = set()
    for item, pointer in zip(items, places, strict=True):
        if item.role_id not in known_roles:
            yield Violation(f"{pointer}/role_id", "not_found", "There is no such role.")
        if item.not_before and item.expires_at and item.expires_at <= item.not_before:
            yield Violation(f"{pointer}/expires_at", "empty_window", "It ends before it begins.")
        if (item.role_id, item.scope) in seen:
            yield Violation(pointer, "duplicate", "The role stands here twice in the same scope.")
        seen.add((item.role_id, item.scope))
