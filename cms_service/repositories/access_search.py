"""Who may do what, looked for from each of its sides."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    any_,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from cms_service.core.database import UnitOfWork
from cms_service.models import Permission, RolePermission
from cms_service.repositories._inheritance import giving, inherited_together
from cms_service.repositories.holders import Holding

_CANDIDATES_PER_RESULT = 3
_NOWHERE: ColumnElement[str] = literal_column("''")
"""What stands for no scope, so that assignments without one are found by the same index. It is as the index says."""


class Sought(msgspec.Struct, frozen=True):
    """Who or what holds one of these permissions, everywhere or in one of these scopes."""

    holding: Holding
    permissions: Collection[str]
    scopes: Collection[str]


class AccessSearchRepository:
    """Subjects count while their account is active; assignments while their window is open."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def is_permission(self, name: str) -> bool:
        return await self.session.scalar(select(Permission.id).where(Permission.name == name)) is not None

    async def find_holders(self, sought: Sought, after: UUID, limit: int) -> Sequence[UUID]:
        """Ids of the first `limit` subjects after the id, sorted.

        Where many are, they are found among the next accounts; where few are, by the roles that give it. Each way alone
        would read most of a large table in the other case.
        """
        among_next = await self.session.scalars(_among_next_accounts(sought, after, limit))
        if len(found := among_next.all()) == limit:
            return found
        return (await self.session.scalars(_by_roles(sought, after, limit))).all()

    async def count_holders(self, sought: Sought) -> int:
        """How many subjects there are. Reads all their assignments."""
        holding = sought.holding
        statement = (
            select(func.count(holding.owner.distinct()))
            .join(holding.account, holding.account.id == holding.owner)
            .where(_gives(sought), holding.assignment.role_id.in_(_roles(sought)), *_is_live(holding))
        )
        return await self.session.scalar(statement) or 0

    async def find_scopes(
        self, sought: Sought, subject_id: UUID, resource_type: str, after: str, limit: int
    ) -> Sequence[str]:
        """The first `limit` scopes of the type after that one in which the subject holds it, sorted."""
        scope = sought.holding.assignment.scope
        statement = _scopes(sought, subject_id, resource_type).where(scope > after).order_by(scope).limit(limit)
        return [found for found in await self.session.scalars(statement) if found is not None]

    async def count_scopes(self, sought: Sought, subject_id: UUID, resource_type: str) -> int:
        scopes = _scopes(sought, subject_id, resource_type).subquery()
        return await self.session.scalar(select(func.count()).select_from(scopes)) or 0

    async def holds(self, sought: Sought, subject_id: UUID) -> bool:
        """Whether the subject holds it."""
        assignment = sought.holding.assignment
        held = _held_by(sought.holding, subject_id).where(_gives(sought), assignment.role_id.in_(_roles(sought)))
        return await self.session.scalar(held.with_only_columns(assignment.id).limit(1)) is not None

    async def find_permissions(
        self, holding: Holding, subject_id: UUID, resource_type: str, scopes: Collection[str]
    ) -> Sequence[str]:
        """Names of all permissions of the resource type, besides wildcards, that the subject holds, sorted."""
        held_now = _held_by(holding, subject_id).where(_gives(Sought(holding, (), scopes)))
        reach = inherited_together(held_now.with_only_columns(holding.assignment.role_id))
        held = (
            select(Permission.name)
            .join(RolePermission, RolePermission.permission_id == Permission.id)
            .where(RolePermission.role_id.in_(select(reach.c.role_id)))
            .cte("held")
        )
        wildcard = f"{resource_type}:*"
        has_wildcard = select(held.c.name).where(held.c.name.in_((wildcard, "*:*"))).exists()
        statement = select(Permission.name).where(
            Permission.name.startswith(f"{resource_type}:", autoescape=True),
            Permission.name != wildcard,
            or_(has_wildcard, Permission.name.in_(select(held.c.name))),
        )
        return (await self.session.scalars(statement.order_by(Permission.name))).all()


def _among_next_accounts(sought: Sought, after: UUID, limit: int) -> Select[UUID]:
    account = sought.holding.account
    candidates = (
        select(account.id)
        .where(account.id > after, *_is_live(sought.holding))
        .order_by(account.id)
        .limit(limit * _CANDIDATES_PER_RESULT)
        .subquery()
    )
    # Account by account, with the roles hashed once: IS TRUE keeps the planner from joining, for which it would read
    # all assignments there are, or hash the roles for each account anew.
    gives_it = (
        select(literal(1).label("one"))
        .where(
            sought.holding.owner == candidates.c.id,
            _gives(sought),
            sought.holding.assignment.role_id.in_(_roles(sought)).is_(true()),
        )
        .limit(1)
        .lateral()
    )
    return select(candidates.c.id).join(gives_it, true()).order_by(candidates.c.id).limit(limit)


def _by_roles(sought: Sought, after: UUID, limit: int) -> Select[UUID]:
    assignment, owner, account = sought.holding.assignment, sought.holding.owner, sought.holding.account
    roles = _roles(sought).subquery()
    scopes = select(func.unnest(_places(sought)).label("scope")).distinct().subquery()
    first = (
        select(owner.label("id"))
        .join(account, account.id == owner)
        .where(
            assignment.role_id == roles.c.role_id,
            func.coalesce(assignment.scope, _NOWHERE) == scopes.c.scope,
            assignment.is_effective(),
            owner > after,
            *_is_live(sought.holding),
        )
        .order_by(owner)
        .limit(limit)
        .lateral()
    )
    return (
        select(first.c.id)
        .distinct()
        .select_from(roles.join(scopes, true()).join(first, true()))
        .order_by(first.c.id)
        .limit(limit)
    )


def _scopes(sought: Sought, subject_id: UUID, resource_type: str) -> Select[Any]:
    return (
        _held_by(sought.holding, subject_id)
        .where(
            sought.holding.assignment.is_effective(),
            sought.holding.assignment.scope.startswith(f"{resource_type}:", autoescape=True),
            sought.holding.assignment.role_id.in_(_roles(sought)),
        )
        .with_only_columns(sought.holding.assignment.scope)
        .distinct()
    )


def _held_by(holding: Holding, subject_id: UUID) -> Select[Any]:
    return (
        select(holding.assignment)
        .join(holding.account, holding.account.id == holding.owner)
        .where(holding.owner == subject_id, *_is_live(holding))
    )


def _roles(sought: Sought) -> Select[Any]:
    return select(giving(Permission.name.in_(sought.permissions)).c.role_id).distinct()


def _gives(sought: Sought) -> ColumnElement[bool]:
    """The assignment counts now, in one of the scopes or without one."""
    assignment = sought.holding.assignment
    is_there = func.coalesce(assignment.scope, _NOWHERE) == any_(_places(sought))
    return and_(is_there, assignment.is_effective())


def _places(sought: Sought) -> ColumnElement[Any]:
    return literal(["", *sought.scopes], ARRAY(String))


def _is_live(holding: Holding) -> tuple[ColumnElement[bool], ...]:
    return holding.account.is_active, holding.account.deleted_at.is_(None)
