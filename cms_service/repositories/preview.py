"""What changes for accounts when roles come to give more or less."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Integer,
    Uuid,
    and_,
    bindparam,
    distinct,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from cms_service.core.database import UnitOfWork
from cms_service.repositories.holders import SERVICES, USERS, Holding


class RoleChange(msgspec.Struct, frozen=True):
    """Permissions that other roles give now than before."""

    permissions: list[str]
    before: frozenset[UUID]
    """The roles that gave them, by whatever they held and inherited."""
    after: frozenset[UUID]


class AccountChange(msgspec.Struct, frozen=True, array_like=True):
    """An account that gains or loses the permissions of one `RoleChange`."""

    is_user: bool
    account_id: UUID
    change: int
    """Which one."""
    scope: str | None


class AccountChanges(msgspec.Struct, frozen=True):
    """All accounts that gain, or all that lose."""

    total: int = 0
    """Permissions and scopes."""
    subjects: int = 0
    first: list[AccountChange] = []


class PreviewRepository:
    """Compares what accounts hold before and after a change of roles, in one statement."""

    def __init__(self, work: UnitOfWork) -> None:
        self.session = work.session

    async def compare(
        self, changes: Sequence[RoleChange], shown: Collection[bool], most: int
    ) -> dict[bool, AccountChanges]:
        """Under True who gains, under False who loses, at this moment.

        `shown` has True where users, and False where service accounts are among the `first`, which are `most`.
        """
        covering = _covering(changes)
        held = union_all(*(_held(holding, covering) for holding in (USERS, SERVICES))).cte("held")
        everywhere = {
            name: func.coalesce(
                func.bool_or(column).filter(held.c.scope.is_(None)).over(partition_by=[held.c.id, held.c.change]), False
            ).label(f"{name}_everywhere")
            for name, column in (("before", held.c.before), ("after", held.c.after))
        }
        compared = select(held, *everywhere.values()).cte("compared")
        # What is held everywhere, before or after, tells all about the scopes.
        differs = and_(
            compared.c.before != compared.c.after,
            or_(
                compared.c.scope.is_(None),
                not_(or_(compared.c.before_everywhere, compared.c.after_everywhere)),
            ),
        )
        changed = select(compared).where(differs).cte("changed").prefix_with("MATERIALIZED", dialect="postgresql")
        size = func.unnest(bindparam("sizes", [len(change.permissions) for change in changes], type_=ARRAY(Integer)))
        sizes = select(size.table_valued("size", with_ordinality="change", name="sized").render_derived()).subquery()
        totals = (
            select(
                changed.c.after.label("gains"),
                func.sum(sizes.c.size).label("total"),
                func.count(distinct(changed.c.id)).label("subjects"),
            )
            .join(sizes, sizes.c.change == changed.c.change)
            .group_by(changed.c.after)
            .cte("totals")
        )
        first = (
            select(changed.c.is_user, changed.c.id, changed.c.change, changed.c.scope)
            .where(changed.c.after == totals.c.gains, changed.c.is_user.in_(shown))
            .order_by(changed.c.id, changed.c.change, changed.c.scope.nulls_first())
            .limit(most)
            .correlate(totals)
            .subquery()
        )
        rows = select(
            func.json_agg(func.json_build_array(first.c.is_user, first.c.id, first.c.change - 1, first.c.scope))
        ).scalar_subquery()
        result = {True: AccountChanges(), False: AccountChanges()}
        for is_gain, total, subjects, items in await self.session.execute(select(totals, rows)):
            result[is_gain] = AccountChanges(total, subjects, msgspec.convert(items or [], list[AccountChange]))
        return result


def _covering(changes: Sequence[RoleChange]) -> Any:
    """Each change with each role that gives its permissions before or after."""
    rows = [
        (number, role_id, role_id in change.before, role_id in change.after)
        for number, change in enumerate(changes, start=1)
        for role_id in sorted(change.before | change.after)
    ]
    types = {"change": Integer, "role_id": Uuid, "before": Boolean, "after": Boolean}
    arrays: list[Any] = [
        bindparam(name, [row[index] for row in rows], type_=ARRAY(kind))
        for index, (name, kind) in enumerate(types.items())
    ]
    table = func.unnest(*arrays).table_valued(*types, name="covering").render_derived()
    return select(*(table.c[name] for name in types)).cte("covering_roles")


def _held(holding: Holding, covering: Any) -> Any:
    return (
        select(
            literal(holding is USERS).label("is_user"),
            holding.owner.label("id"),
            covering.c.change,
            holding.assignment.scope.label("scope"),
            func.bool_or(covering.c.before).label("before"),
            func.bool_or(covering.c.after).label("after"),
        )
        .select_from(holding.assignment)
        .join(covering, covering.c.role_id == holding.assignment.role_id)
        .join(holding.account, holding.account.id == holding.owner)
        .where(
            holding.assignment.is_effective(),
            holding.account.is_active,
            holding.account.deleted_at.is_(None),
        )
        .group_by(holding.owner, covering.c.change, holding.assignment.scope)
    )
