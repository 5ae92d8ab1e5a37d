"""Spans of the statements that go through SQLAlchemy. Those of the fast lane are made there."""

from typing import Any

from sqlalchemy import ExceptionContext, event
from sqlalchemy.ext.asyncio import AsyncEngine

from cms_service.core.observability import Tracing

_ATTRIBUTE = "_cms_span"


def trace_statements(engine: AsyncEngine, tracing: Tracing) -> None:
    """From here on every statement of a traced request has a span."""

    def begin(_connection: Any, _cursor: Any, sql: str, _parameters: Any, context: Any, _is_many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's
        setattr(context, _ATTRIBUTE, tracing.statement(sql))

    def end(_connection: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _is_many: bool) -> None:  # noqa: FBT001 - SQLAlchemy's
        _end(context, None)

    def fail(context: ExceptionContext) -> None:
        _end(context.execution_context, context.original_exception)

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)


def _end(context: Any, error: BaseException | None) -> None:
    span = getattr(context, _ATTRIBUTE, None)
    if span is not None:
        setattr(context, _ATTRIBUTE, None)
        span.end(error)
