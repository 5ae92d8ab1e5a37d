"""Traces of requests, as the service knows them. Nothing of OpenTelemetry is imported until it is wanted."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from cms_service.core.config import TracesExporter


class RequestSpan(Protocol):
    """A request that is being answered. What happens meanwhile belongs to it."""

    trace_id: str
    """As it is written in log lines."""

    def end(self, route: str | None, status: int | None) -> None:
        """It is answered, by the route with this template."""


class StatementSpan(Protocol):
    """A statement that is being executed."""

    def end(self, error: BaseException | None = None) -> None:
        """It is done, or has failed."""


class Tracing(Protocol):
    """Whatever records spans. None of them holds anything that a client or the database sent but what is named here."""

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]], request_id: str) -> RequestSpan:
        """A span in the trace that the headers name (W3C Trace Context), else in a new one."""

    def statement(self, sql: str) -> StatementSpan | None:
        """A span below that of the request, without the values of the parameters; None outside a traced request."""

    def executing(self, sql: str) -> AbstractContextManager[None]:
        """The same, around the statement."""

    async def close(self) -> None:
        """What is recorded is exported, if that is possible soon."""


def start_tracing(exporter: TracesExporter | None, public_url: str) -> Tracing | None:
    """What records spans in this process and sends them away in a thread of its own: call it in each worker."""
    if exporter is None:
        return None
    from cms_service.core.observability.spans import OpenTelemetry  # noqa: PLC0415 - costs 100 ms and 20 MB

    return OpenTelemetry(exporter, public_url)
