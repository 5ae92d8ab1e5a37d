"""Ids in a body that must name something."""

from collections.abc import Container, Sequence
from uuid import UUID

from cms_service.core.exceptions import Violation


def missing_roles(role_ids: Sequence[UUID], found: Container[UUID], pointer: str) -> list[Violation]:
    """A violation for each that is not among those found."""
    return _missing(role_ids, found, pointer, "There is no such role.")


def missing_permissions(permission_ids: Sequence[UUID], found: Container[UUID], pointer: str) -> list[Violation]:
    """A violation for each that is not among those found."""
    return _missing(permission_ids, found, pointer, "There is no such permission.")


def _missing(ids: Sequence[UUID], found: Container[UUID], pointer: str, detail: str) -> list[Violation]:
    return [Violation(f"{pointer}/{index}", "not_found", detail) for index, each in enumerate(ids) if each not in found]
