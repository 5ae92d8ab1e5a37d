"""The caller behind an access token."""

from uuid import UUID

from sqlalchemy import bindparam, func, select

from cms_service.core.database import FastLane, Statement
from cms_service.models import Permission, RefreshToken, Role, RolePermission, User, UserRole

_PERMISSIONS = func.array(
    select(Permission.name)
    .distinct()
    .select_from(UserRole)
    .join(Role, Role.id == UserRole.role_id)
    .join(RolePermission, RolePermission.role_id == Role.id)
    .join(Permission, Permission.id == RolePermission.permission_id)
    .where(UserRole.user_id == User.id, UserRole.scope.is_(None), UserRole.is_effective(), Role.deleted_at.is_(None))
    .correlate(User)
    .scalar_subquery()
)
"""What the user holds everywhere."""

_PRINCIPAL = Statement(
    select(_PERMISSIONS.label("permissions"))
    .select_from(RefreshToken)
    .join(User, User.id == RefreshToken.user_id)
    .where(
        RefreshToken.id == bindparam("session_id"),
        RefreshToken.user_id == bindparam("user_id"),
        RefreshToken.revoked_at.is_(None),
        RefreshToken.idle_expires_at > func.now(),
        RefreshToken.expires_at > func.now(),
        User.is_active,
        User.deleted_at.is_(None),
    )
)


class PrincipalRepository:
    """Reads outside any unit of work, since a caller is known before its request begins."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane

    async def find_permissions(self, user_id: UUID, session_id: UUID) -> frozenset[str] | None:
        """What the user holds everywhere; None if the session or the account no longer counts."""
        row = await self._lane.fetch_row(_PRINCIPAL, user_id=user_id, session_id=session_id)
        return None if row is None else frozenset(row["permissions"])
