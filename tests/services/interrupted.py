"""Let something else happen between two statements."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only


@contextmanager
def interrupted(engine: AsyncEngine, number: int, happens: Callable[[], Awaitable[Any]]) -> Iterator[list[str]]:
    """Let something else happen before the statement of this number. Yields a list of the statements so far."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)
        if len(statements) == number:
            await_only(happens())

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
