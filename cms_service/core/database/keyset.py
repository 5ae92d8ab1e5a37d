"""Pages by position instead of by number: the last page costs what the first does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

Row = TypeVar("Row")
Session: TypeAlias = AsyncSession | async_scoped_session[AsyncSession]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page."""

    sort_value: str
    """Its value of the column that the list is sorted by, as text."""
    id: UUID


class Ordering(msgspec.Struct, frozen=True):
    """A column to sort by, which is never null, with the id to break ties."""

    column: Any
    """An `InstrumentedAttribute`, as is the next: a Struct would read them as descriptors."""
    id_column: Any
    is_descending: bool = False


class Window(msgspec.Struct, frozen=True):
    """Which part of a list is wanted."""

    after: Position | None
    """None is the beginning."""
    limit: int
    counts_all: bool = False


class Slice(msgspec.Struct):
    """A part of a list."""

    rows: Sequence[Any]
    next_after: Position | None
    """Where the next part begins; None at the end."""
    total: int | None
    """Rows in the whole list; None when nobody asked."""


async def fetch_slice(session: Session, statement: Select[Row], ordering: Ordering, window: Window) -> Slice:
    """The rows of `statement` that lie in `window`, sorted by `ordering`."""
    total = None
    if window.counts_all:
        total = await session.scalar(select(func.count()).select_from(statement.subquery()))
    key = tuple_(ordering.column, ordering.id_column)
    if window.after is not None:
        is_instant = ordering.column.type.python_type is datetime
        value = datetime.fromisoformat(window.after.sort_value) if is_instant else window.after.sort_value
        last = tuple_(value, window.after.id)
        statement = statement.where(key < last if ordering.is_descending else key > last)
    columns = (ordering.column, ordering.id_column)
    ordered = statement.order_by(*(column.desc() if ordering.is_descending else column.asc() for column in columns))
    rows = (await session.scalars(ordered.limit(window.limit + 1))).all()
    page = rows[: window.limit]
    has_more = len(rows) > window.limit
    return Slice(page, _position(page[-1], ordering) if has_more else None, total)


def _position(row: Any, ordering: Ordering) -> Position:
    value = getattr(row, ordering.column.key)
    return Position(value.isoformat() if isinstance(value, datetime) else value, getattr(row, ordering.id_column.key))


def escape_like(text: str) -> str:
    r"""`text` for LIKE with `\` as escape: nothing in it is a wildcard."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
