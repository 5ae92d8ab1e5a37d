"""The one line that is logged of every request."""

import logging
import select
from asyncio import get_running_loop
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from cms_service.core.config import LogFormat, Settings, StandardError, level_of

_PROBES = frozenset({"/health/live", "/health/ready", "/metrics"})

GATHERING_SECONDS = 0.01
"""How long lines are gathered before they are written."""

_log = structlog.get_logger("cms_service.requests")


def _now() -> datetime:
    return datetime.now(UTC)


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The members of a line. In production, the client chooses the request id alone, within its pattern."""

    method: str
    path: str
    """With the names of its parameters, not their values."""
    status: int | None
    code: str | UnsetType = UNSET
    """The code of the problem, where the request was refused."""
    duration_ms: float
    subject_id: UUID | None
    request_id: str
    trace_id: str | UnsetType = UNSET
    """Where the request is traced."""
    timestamp: datetime = msgspec.field(default_factory=_now)
    level: str = "info"
    event: str = "request"


def is_probe(path: str) -> bool:
    """Whether requests for the path come all the time, and are of interest only to those who look for faults."""
    return path.rstrip("/") in _PROBES


class RequestLogger(Protocol):
    """Writes the lines."""

    def add(self, request: LoggedRequest) -> None:
        """Have a line written soon."""

    def end(self) -> None:
        """Write what is left, and from now on each line at once."""


def request_logger(settings: Settings) -> RequestLogger:
    """Return a logger that does not use the pipeline for JSON: the pipeline takes longer than most requests.

    Every member has a type that can hold neither secrets nor control characters, so none needs to be cleaned.
    """
    if settings.log_format is not LogFormat.JSON or level_of(settings) != logging.INFO:
        return PipelineLines()
    return GatheredLines()


class PipelineLines:
    """Log each line as all others are logged. See `RequestLogger`."""

    def add(self, request: LoggedRequest) -> None:
        """See `RequestLogger`."""
        log = _log.debug if is_probe(request.path) else _log.info
        members = msgspec.structs.asdict(request) | {"subject_id": request.subject_id and str(request.subject_id)}
        for name in ("timestamp", "level", "event"):
            del members[name]  # The pipeline adds its own.
        log("request", **{name: value for name, value in members.items() if value is not UNSET})

    def end(self) -> None:
        """See `RequestLogger`."""


class GatheredLines:
    """Write lines together that come within some milliseconds. See `RequestLogger`.

    A write hands the interpreter's lock to the threads of the server, from which it then has to be won back: a write
    for each line takes 45 µs of a request under load. A worker that is killed loses the lines of that time.
    """

    def __init__(self) -> None:
        self._stream = StandardError()
        self._encode = msgspec.json.Encoder().encode
        self._waiting: list[LoggedRequest] = []
        self._has_ended = False

    def add(self, request: LoggedRequest) -> None:
        """See `RequestLogger`. Probes have no line."""
        if is_probe(request.path):
            return
        if not self._waiting and not self._has_ended:
            get_running_loop().call_later(GATHERING_SECONDS, self._write)
        self._waiting.append(request)
        if self._has_ended:
            self._write()

    def end(self) -> None:
        """See `RequestLogger`."""
        self._has_ended = True
        self._write()

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        chunk = b""
        for request in lines:
            line = self._encode(request) + b"\n"
            # A pipe keeps lines of several workers apart as long as no write is longer than this (POSIX, `write`).
            if len(chunk) + len(line) > select.PIPE_BUF:
                self._write_out(chunk)
                chunk = b""
            chunk += line
        if chunk:
            self._write_out(chunk)

    def _write_out(self, chunk: bytes) -> None:
        self._stream.write(chunk)
        self._stream.flush()
