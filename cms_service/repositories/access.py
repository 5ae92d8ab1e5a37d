"""Who holds what: assignments of roles, and the permissions they amount to."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select
from sqlalchemy.orm import contains_eager

from cms_service.core.database import UnitOfWork
from cms_service.models import Permission, Role, RolePermission, User, UserRole

Columns = TypeVarTuple("Columns")

WITHDRAWALS_LOCK = 0x636D735F61646D  # "cms_adm"


class AccessRepository:
    """Reads and writes what follows from users, roles and permissions together."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def lock_withdrawals(self) -> None:
        """Nobody else takes anything away before this transaction ends.

        Two administrators who remove each other at once would otherwise each see the other still there.
        """
        await self.session.execute(select(func.pg_advisory_xact_lock(WITHDRAWALS_LOCK)))

    async def has_lasting_holder(self, permission: str) -> bool:
        """Whether an active account holds `permission` itself everywhere and without an end."""
        statement = (
            select(User.id)
            .select_from(UserRole)
            .join(User, User.id == UserRole.user_id)
            .join(Role, Role.id == UserRole.role_id)
            .join(RolePermission, RolePermission.role_id == Role.id)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(
                Permission.name == permission,
                Role.deleted_at.is_(None),
                User.deleted_at.is_(None),
                User.is_active,
                User.password_hash.is_not(None),
                UserRole.scope.is_(None),
                UserRole.expires_at.is_(None),
                UserRole.is_effective(),
            )
            .limit(1)
        )
        return await self.session.scalar(statement) is not None

    async def grants_of_user(self, user_id: UUID, *, with_coming: bool = False) -> set[tuple[str, str | None]]:
        """Permission and scope of all that the user holds now, or also of what it will hold."""
        window = UserRole.is_not_over() if with_coming else UserRole.is_effective()
        statement = _given(select(Permission.name, UserRole.scope)).where(window, UserRole.user_id == user_id)
        return {(name, scope) for name, scope in await self.session.execute(statement)}

    async def sources_of_user(self, user_id: UUID) -> Sequence[Row[Permission, UserRole, Role]]:
        """All that the user holds now, each with the assignment and the role that give it."""
        statement = _given(select(Permission, UserRole, Role)).where(
            UserRole.is_effective(), UserRole.user_id == user_id
        )
        ordered = statement.order_by(Permission.name, UserRole.scope.nulls_first(), Role.name, UserRole.id)
        return (await self.session.execute(ordered)).all()

    async def assignments_of_user(self, user_id: UUID) -> Sequence[UserRole]:
        """Every assignment of a live role, whether its window is open or not, in the order of the roles' names."""
        statement = (
            select(UserRole)
            .join(UserRole.role)
            .options(contains_eager(UserRole.role))
            .where(UserRole.user_id == user_id, Role.deleted_at.is_(None))
            .order_by(Role.name, UserRole.scope.nulls_first())
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).all()

    async def put_assignment(  # noqa: PLR0913 - a row is made of its columns
        self,
        present: UserRole | None,
        user: User,
        role: Role,
        scope: str | None,
        granted_by: UUID | None,
        terms: dict[str, Any],
    ) -> UserRole:
        """The row `present`, or a new one, on new terms, given just now."""
        row = present or UserRole(user_id=user.id, role_id=role.id, scope=scope)
        for name, value in (terms | {"granted_by": granted_by, "granted_at": func.now()}).items():
            setattr(row, name, value)
        self.session.add(row)
        await self.session.flush()
        return row

    async def remove_assignments(self, assignment_ids: Collection[UUID]) -> None:
        await self.session.execute(delete(UserRole).where(UserRole.id.in_(assignment_ids)))


def _given(statement: Select[*Columns]) -> Select[*Columns]:
    return (
        statement.select_from(UserRole)
        .join(Role, Role.id == UserRole.role_id)
        .join(RolePermission, RolePermission.role_id == Role.id)
        .join(Permission, Permission.id == RolePermission.permission_id)
        .where(Role.deleted_at.is_(None))
    )
