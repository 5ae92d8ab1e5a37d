"""Spans of OpenTelemetry, in its semantic conventions for HTTP servers and databases.

The instrumentations of the OpenTelemetry project would record the query strings of requests, and the messages of
exceptions of the database, which quote rows.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

from opentelemetry import context, propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, get_current_span, set_span_in_context

from cms_service.core.config import TracesExporter

NAME = "cms-service"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
UNWANTED = frozenset({"tracestate", "baggage"})
"""Headers with words of the client's own: one is exported with each span, the other is logged where it is malformed."""
FLUSH_SECONDS = 3.0
"""A collector that does not answer must not hold up the end of the process."""


class OpenTelemetry:
    """See `Tracing`."""

    def __init__(self, exporter: TracesExporter, public_url: str) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        sink = OTLPSpanExporter() if exporter is TracesExporter.OTLP else ConsoleSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(sink))
        self._tracer = self._provider.get_tracer(NAME, version(NAME))
        self._propagated = frozenset(propagate.get_global_textmap().fields) - UNWANTED
        address = urlsplit(public_url)
        self._server: dict[str, str | int] = {"url.scheme": address.scheme, "server.address": address.hostname or ""}
        if address.port is not None:
            self._server["server.port"] = address.port

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]], request_id: str) -> "_RequestSpan":
        """See `Tracing`."""
        carrier = {
            name: value.decode("latin-1") for key, value in headers if (name := key.decode()) in self._propagated
        }
        known = method if method in METHODS else "_OTHER"
        span = self._tracer.start_span(
            _request_name(known, None),
            propagate.extract(carrier),
            SpanKind.SERVER,
            {**self._server, "http.request.method": known, "cms.request_id": request_id},
        )
        return _RequestSpan(span, known)

    def statement(self, sql: str) -> "_StatementSpan | None":
        """See `Tracing`."""
        if not get_current_span().is_recording():
            return None
        verb = sql.split(None, 1)[0].upper()
        attributes = {"db.system.name": "postgresql", "db.query.text": sql, "db.query.summary": verb}
        return _StatementSpan(self._tracer.start_span(verb, kind=SpanKind.CLIENT, attributes=attributes))

    @contextmanager
    def executing(self, sql: str) -> Iterator[None]:
        """See `Tracing`."""
        span = self.statement(sql)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            if span is not None:
                span.end(error)

    def shutdown(self) -> None:
        """What is recorded is exported, however long that takes."""
        self._provider.shutdown()

    async def close(self) -> None:
        """See `Tracing`."""
        flushing = threading.Thread(target=self.shutdown, daemon=True)
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_SECONDS)


class _RequestSpan:
    def __init__(self, span: Span, method: str) -> None:
        self._span = span
        self._method = method
        self._token = context.attach(set_span_in_context(span))
        self.trace_id = format_trace_id(span.get_span_context().trace_id)

    def end(self, route: str | None, status: int | None) -> None:
        span = self._span
        span.update_name(_request_name(self._method, route))
        if route is not None:
            span.set_attribute("http.route", route)
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:  # noqa: PLR2004 - HTTP
            span.set_attribute("error.type", str(status or "unanswered"))
            span.set_status(StatusCode.ERROR)
        span.end()
        context.detach(self._token)


class _StatementSpan:
    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            # The message may quote rows; the type and the code of PostgreSQL cannot.
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_status(StatusCode.ERROR)
            if (code := getattr(error, "sqlstate", None)) is not None:
                self._span.set_attribute("db.response.status_code", str(code))
        self._span.end()


def _request_name(method: str, route: str | None) -> str:
    name = "HTTP" if method == "_OTHER" else method
    return name if route is None else f"{name} {route}"


def _resource() -> Resource:
    """What the environment says of this service, else what it is."""
    resource = Resource.create({"service.version": version(NAME)})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        return resource.merge(Resource({"service.name": NAME}))
    return resource
