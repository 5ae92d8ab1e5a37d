"""The one line that is logged of every request."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from cms_service.core.config import LogFormat, Settings, StandardError, level_of

_PROBES = frozenset({"/health/live", "/health/ready", "/metrics"})

_log = structlog.get_logger("cms_service.requests")


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
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


class _Line(LoggedRequest, frozen=True, kw_only=True):
    timestamp: str
    level: str = "info"
    event: str = "request"


def is_probe(path: str) -> bool:
    """Whether requests for the path come all the time, and are of interest only to those who look for faults."""
    return path.rstrip("/") in _PROBES


RequestLogger: TypeAlias = Callable[[LoggedRequest], None]


def request_logger(settings: Settings) -> RequestLogger:
    """In JSON the line leaves like all others, but on a way of its own: the pipeline takes longer than most requests.

    Every member is given by its type, so that nothing has to be looked at for secrets and control characters.
    """
    if settings.log_format is not LogFormat.JSON or level_of(settings) != logging.INFO:
        return _log_request
    stream, encode = StandardError(), msgspec.json.Encoder().encode

    def write(request: LoggedRequest) -> None:
        if is_probe(request.path):
            return
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = _Line(
            method=request.method,
            path=request.path,
            status=request.status,
            code=request.code,
            duration_ms=request.duration_ms,
            subject_id=request.subject_id,
            request_id=request.request_id,
            trace_id=request.trace_id,
            timestamp=now,
        )
        stream.write(encode(line) + b"\n")
        stream.flush()

    return write


def _log_request(request: LoggedRequest) -> None:
    log = _log.debug if is_probe(request.path) else _log.info
    members = msgspec.structs.asdict(request) | {"subject_id": request.subject_id and str(request.subject_id)}
    log("request", **{name: value for name, value in members.items() if value is not UNSET})
