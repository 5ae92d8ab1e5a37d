"""Something else happens between two statements."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only


@contextmanager
def interrupted(engine: AsyncEngine, number: int, happens: Callable[[], Awaitable[Any]]) -> Iterator[None]:
    """Something else happens before the statement of this number."""
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == number:
            await_only(happens())

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    yield
    event.remove(engine.sync_engine, "before_cursor_execute", count)
