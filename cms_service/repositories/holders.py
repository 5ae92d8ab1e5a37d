"""Who has a role or holds a permission at this moment."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Row, Uuid, bindparam, column, func, select, true, union_all

from cms_service.core.database import Position, Slice, UnitOfWork, Window
from cms_service.models import Permission, Role, ServiceAccount, ServiceAccountRole, User, UserRole
from cms_service.repositories._inheritance import giving, inheriting

A = TypeVar("A", UserRole, ServiceAccountRole)


class Holding(msgspec.Struct, frozen=True):
    """A table of assignments, and that of the accounts that they belong to."""

    assignment: Any
    owner: Any
    account: Any
    name: Any
    """What the account is called, uniquely."""


USERS = Holding(UserRole, UserRole.user_id, User, User.email)
SERVICES = Holding(ServiceAccountRole, ServiceAccountRole.service_account_id, ServiceAccount, ServiceAccount.name)


class HolderRepository:
    """Active accounts, by the roles whose assignment counts now. They come in the order of their ids: oldest first."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def roles_inheriting(self, role_id: UUID) -> Sequence[UUID]:
        """The role and all that inherit it."""
        return (await self.session.scalars(select(inheriting(role_id).c.role_id))).all()

    async def roles_giving(self, permissions: Iterable[str]) -> dict[UUID, list[str]]:
        """The roles that hold or inherit one of the permissions, with those."""
        found: dict[UUID, list[str]] = {}
        reach = giving(Permission.name.in_(list(permissions)))
        for permission, role_id in await self.session.execute(select(reach).order_by(reach.c.permission)):
            found.setdefault(role_id, []).append(permission)
        return found

    async def slice(self, holdings: Sequence[Holding], role_ids: Collection[UUID], window: Window) -> Slice:
        """Ids of part of the accounts that have one of the roles. The last page costs what the first does."""
        roles = bindparam("role_ids", list(role_ids), type_=ARRAY(Uuid))
        total = None
        if window.counts_all:
            counts = [_having(holding, func.any(roles)).distinct() for holding in holdings]
            total = await self.session.scalar(select(func.count()).select_from(union_all(*counts).subquery()))
        parts = [self._part(holding, func.unnest(roles), window) for holding in holdings]
        both = union_all(*parts).subquery()
        statement = select(both.c.id).distinct().order_by(both.c.id).limit(window.limit + 1)
        ids = (await self.session.scalars(statement)).all()
        page = ids[: window.limit]
        return Slice(page, Position("", page[-1]) if len(ids) > window.limit else None, total)

    async def users(self, user_ids: Collection[UUID]) -> dict[UUID, User]:
        """The accounts with these ids."""
        return {user.id: user for user in await self.session.scalars(select(User).where(User.id.in_(user_ids)))}

    async def names(self, holding: Holding, ids: Collection[UUID]) -> dict[UUID, str]:
        """What those of the ids that are accounts of this kind are called."""
        statement = select(holding.account.id, holding.name).where(holding.account.id.in_(ids))
        return {row.id: row[1] for row in await self.session.execute(statement)}

    async def assignments(
        self, holding: Holding, ids: Collection[UUID], role_ids: Collection[UUID]
    ) -> Sequence[Row[UUID, Any, Role]]:
        """Assignments of the roles to these accounts that count now: the account, the assignment and its role."""
        statement = (
            select(holding.owner, holding.assignment, Role)
            .join(Role, Role.id == holding.assignment.role_id)
            .where(
                holding.owner.in_(ids),
                holding.assignment.role_id == func.any(bindparam("role_ids", list(role_ids), type_=ARRAY(Uuid))),
                holding.assignment.is_effective(),
            )
            .order_by(Role.name, holding.assignment.scope.nulls_first())
        )
        return (await self.session.execute(statement)).all()

    @staticmethod
    def _part(holding: Holding, roles: Any, window: Window) -> Any:
        """As many of each role as the whole page may need, each from where it begins in the index of the role."""
        role = roles.table_valued(column("role_id", Uuid), name="wanted").render_derived()
        having = _having(holding, role.c.role_id)
        if window.after is not None:
            # Twice, since the planner does not conclude one from the other.
            having = having.where(holding.owner > window.after.id, holding.account.id > window.after.id)
        page = having.distinct().order_by(holding.owner).limit(window.limit + 1).lateral()
        return select(page.c.id).select_from(role).join(page, true())


def _having(holding: Holding, role_id: Any) -> Any:
    return (
        select(holding.owner.label("id"))
        .select_from(holding.assignment)
        .join(holding.account, holding.account.id == holding.owner)
        .where(
            holding.assignment.role_id == role_id,
            holding.assignment.is_effective(),
            holding.account.is_active,
            holding.account.deleted_at.is_(None),
        )
    )
