"""Who holds what: assignments of roles, and the permissions they amount to."""

from collections.abc import Collection, Sequence
from typing import TypeVarTuple
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

    async def grants_in_force(self, user_id: UUID) -> set[tuple[str, str | None]]:
        """Permission and scope of all that the user holds now; nothing where the account does not count any more."""
        statement = _given(select(Permission.name, UserRole.scope)).join(User, User.id == UserRole.user_id)
        counts = (UserRole.user_id == user_id, UserRole.is_effective(), User.is_active, User.deleted_at.is_(None))
        return {(name, scope) for name, scope in await self.session.execute(statement.where(*counts))}

    async def grants_in_prospect(self, user_id: UUID) -> set[tuple[str, str | None]]:
        """The same of all that the account, which may be asleep or deleted, gives whoever holds it, now or later."""
        statement = _given(select(Permission.name, UserRole.scope))
        counts = (UserRole.user_id == user_id, UserRole.is_not_over())
        return {(name, scope) for name, scope in await self.session.execute(statement.where(*counts))}

    async def any_role_holds(self, role_ids: Collection[UUID], permission: str, *, is_locked: bool = False) -> bool:
        """Whether one of the roles holds `permission` itself. `is_locked`: it stays so until this transaction ends."""
        if is_locked:
            await self.session.execute(select(Role.id).where(Role.id.in_(role_ids)).with_for_update(read=True))
        statement = (
            select(RolePermission.role_id)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(RolePermission.role_id.in_(role_ids), Permission.name == permission)
            .limit(1)
        )
        return await self.session.scalar(statement) is not None

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

    def put_assignment(self, assignment: UserRole, granted_by: UUID | None) -> None:
        """The assignment is given, or given anew, just now; it is written with the next flush."""
        assignment.granted_by = granted_by
        assignment.granted_at = func.now()
        self.session.add(assignment)

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
