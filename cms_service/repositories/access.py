"""Who holds what: assignments of roles, and the permissions they amount to."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, select
from sqlalchemy.orm import aliased, contains_eager

from cms_service.core.database import UnitOfWork
from cms_service.models import (
    Assignment,
    Permission,
    Role,
    RolePermission,
    ServiceAccount,
    ServiceAccountRole,
    User,
    UserRole,
)
from cms_service.repositories._inheritance import giving, inherited_from, inherited_together

A = TypeVar("A", UserRole, ServiceAccountRole)

WITHDRAWALS_LOCK = 0x636D735F61646D  # "cms_adm"

_OWNERS: dict[type[Assignment], Any] = {
    UserRole: UserRole.user_id,
    ServiceAccountRole: ServiceAccountRole.service_account_id,
}
_ACCOUNTS: dict[type[Assignment], type[User] | type[ServiceAccount]] = {
    UserRole: User,
    ServiceAccountRole: ServiceAccount,
}


class AccessRepository:
    """Reads and writes what follows from accounts, roles and permissions together.

    `kind` is what gives roles to the subject: `UserRole` or `ServiceAccountRole`.
    """

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def lock_withdrawals(self, *, is_shared: bool = False) -> None:
        """Nobody else takes anything away, or changes what roles amount to, before this transaction ends.

        Two administrators who remove each other at once would otherwise each see the other still there, and two roles
        that come to inherit each other at once would close a circle. `is_shared`: others may share the lock.
        """
        lock = func.pg_advisory_xact_lock_shared if is_shared else func.pg_advisory_xact_lock
        await self.session.execute(select(lock(WITHDRAWALS_LOCK)))

    async def has_lasting_holder(self, permission: str) -> bool:
        """Whether an active account holds `permission` itself everywhere and without an end."""
        giving_it = giving(Permission.name == permission)
        statement = (
            select(User.id)
            .select_from(UserRole)
            .join(User, User.id == UserRole.user_id)
            .join(giving_it, giving_it.c.role_id == UserRole.role_id)
            .where(
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

    async def grants_in_force(
        self, kind: type[Assignment], subject_id: UUID
    ) -> Sequence[tuple[str, str | None, datetime | None]]:
        """Permission, scope and end of all that the subject holds now; nothing where its account does not count."""
        account = _ACCOUNTS[kind]
        live = select(account.id).where(account.id == subject_id, account.is_active, account.deleted_at.is_(None))
        return await self._grants(kind, subject_id, kind.is_effective(), live.exists())

    async def grants_in_prospect(
        self, kind: type[Assignment], subject_id: UUID
    ) -> Sequence[tuple[str, str | None, datetime | None]]:
        """The same of all that the account, which may be asleep or deleted, gives whoever holds it, now or later."""
        return await self._grants(kind, subject_id, kind.is_not_over())

    async def permissions_of_roles(self, role_ids: Iterable[UUID]) -> dict[UUID, set[str]]:
        """Names of all that each of the roles holds itself and inherits."""
        found: dict[UUID, set[str]] = {role_id: set() for role_id in role_ids}
        reach = inherited_from(found)
        statement = (
            select(reach.c.root_id, Permission.name)
            .distinct()
            .join(RolePermission, RolePermission.role_id == reach.c.role_id)
            .join(Permission, Permission.id == RolePermission.permission_id)
        )
        for role_id, name in await self.session.execute(statement):
            found[role_id].add(name)
        return found

    async def any_role_holds(self, role_ids: Collection[UUID], permission: str) -> bool:
        """Whether one of the roles holds `permission` itself, or inherits it."""
        reach = inherited_together(role_ids)
        statement = (
            select(RolePermission.role_id)
            .join(reach, reach.c.role_id == RolePermission.role_id)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(Permission.name == permission)
            .limit(1)
        )
        return await self.session.scalar(statement) is not None

    async def sources_of(self, kind: type[A], subject_id: UUID) -> Sequence[Row[Permission, A, Role, Role]]:
        """All that the subject holds now: the permission, an assignment, its role, and the role that holds it itself.

        The two roles are the same unless the assigned one inherits the other.
        """
        held = (_OWNERS[kind] == subject_id, kind.is_effective())
        reach = inherited_from(select(kind.role_id).where(*held))
        holder = aliased(Role)
        statement = (
            select(Permission, kind, Role, holder)
            .select_from(kind)
            .join(reach, reach.c.root_id == kind.role_id)
            .join(Role, Role.id == kind.role_id)
            .join(holder, holder.id == reach.c.role_id)
            .join(RolePermission, RolePermission.role_id == holder.id)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(*held)
            .order_by(Permission.name, kind.scope.nulls_first(), Role.name, kind.id, holder.name)
        )
        return (await self.session.execute(statement)).all()

    async def assignments_of(self, kind: type[A], subject_id: UUID) -> Sequence[A]:
        """Every assignment of a live role, whether its window is open or not, in the order of the roles' names."""
        statement = (
            select(kind)
            .join(kind.role)
            .options(contains_eager(kind.role))
            .where(_OWNERS[kind] == subject_id, Role.deleted_at.is_(None))
            .order_by(Role.name, kind.scope.nulls_first())
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).all()

    def new_assignment(self, kind: type[A], subject_id: UUID, role_id: UUID, scope: str | None) -> A:
        """An assignment that is not written yet."""
        return kind(role_id=role_id, scope=scope, **{_OWNERS[kind].key: subject_id})

    def put_assignment(self, assignment: UserRole | ServiceAccountRole, granted_by: UUID | None) -> None:
        """The assignment is given, or given anew, just now; it is written with the next flush."""
        assignment.granted_by = granted_by
        assignment.granted_at = func.now()
        self.session.add(assignment)

    async def remove_assignments(self, kind: type[Assignment], assignment_ids: Collection[UUID]) -> None:
        await self.session.execute(delete(kind).where(kind.id.in_(assignment_ids)))

    async def _grants(
        self, kind: type[Assignment], subject_id: UUID, *counts: ColumnElement[bool]
    ) -> Sequence[tuple[str, str | None, datetime | None]]:
        held = (_OWNERS[kind] == subject_id, *counts)
        reach = inherited_from(select(kind.role_id).where(*held))
        statement = (
            select(Permission.name, kind.scope, kind.expires_at)
            .distinct()
            .select_from(kind)
            .join(reach, reach.c.root_id == kind.role_id)
            .join(RolePermission, RolePermission.role_id == reach.c.role_id)
            .join(Permission, Permission.id == RolePermission.permission_id)
            .where(*held)
        )
        return [(name, scope, until) for name, scope, until in await self.session.execute(statement)]
