"""From a client's cursor to a part of a list, and back."""

from collections.abc import Callable
from typing import Any, TypeVar

from cms_service.core.database import Position, Slice, Window
from cms_service.core.security import CursorCodec
from cms_service.schemas import ListQuery, Page

T = TypeVar("T")


class Listing:
    """One list in one order. A cursor of another one is refused."""

    def __init__(self, cursors: CursorCodec, name: str) -> None:
        self._cursors = cursors
        self._name = name

    def window(self, query: ListQuery) -> Window:
        """Raises ValidationFailed for a cursor that this list did not give out."""
        after: Position | None = None if query.cursor is None else self._cursors.decode(self._name, query.cursor)
        return Window(after, query.limit, query.include_total)

    def page(self, part: Slice, read: Callable[[Any], T]) -> Page[T]:
        """The part as the API shows it."""
        after = part.next_after
        next_cursor = None if after is None else self._cursors.encode(self._name, after)
        return Page([read(row) for row in part.rows], next_cursor, part.total)


def whole(items: list[T]) -> Page[T]:
    """A list that is short by nature, in one page."""
    return Page(items, None, len(items))
