"""Accounts as the hottest reads show them."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from cms_service.core.database import FastLane, Question
from cms_service.models import Role, User, UserRole

_ROLES = (
    select(func.json_agg(func.json_build_object("id", Role.id, "name", Role.name, "title", Role.title)))
    .where(
        Role.deleted_at.is_(None),
        select(UserRole.id)
        .where(UserRole.user_id == User.id, UserRole.role_id == Role.id, UserRole.is_effective())
        .correlate(User, Role)
        .exists(),
    )
    .correlate(User)
    .scalar_subquery()
)
"""The same roles as `User.roles`."""

SHOWN = (
    User.id,
    User.email,
    User.display_name,
    User.external_id,
    User.is_active,
    User.email_verified_at,
    User.created_at,
    User.updated_at,
    User.version,
    _ROLES.label("roles"),
)
"""What the API shows of an account. `roles` is a JSON array of id, name and title, or null."""

_MEMBERS = [column.name for column in SHOWN]
_USER = Question(select(*SHOWN).where(User.id == bindparam("user_id"), User.deleted_at.is_(None)))


class DirectoryRepository:
    """Reads single accounts outside any unit of work."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def find_user(self, user_id: UUID) -> dict[str, Any] | None:
        """The members of the account, under their names: see `SHOWN`."""
        row = await self._lane.ask(_USER, user_id=user_id)
        return None if row is None else {name: row[name] for name in _MEMBERS}
