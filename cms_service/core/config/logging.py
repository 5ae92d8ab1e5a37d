"""One stream of log lines on standard error: ours and those of every library, in one format."""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, BinaryIO, ClassVar, cast
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from cms_service.core.config.settings import LogFormat, Settings

_SECRET_NAME = re.compile(r"password|secret|token|authorization|cookie|credential|api_?key|private_?key", re.IGNORECASE)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_unheard = suppress(OSError, ValueError)
_HARMLESS = (int, float, bool, UUID, type(None))


def configure_logging(settings: Settings) -> None:
    """From here on everything that this process logs leaves through one pipeline. Calling it again does no harm."""
    logging.config.dictConfig(log_dictconfig(settings))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_processors(settings.log_format, structlog.processors.add_log_level), _to_bytes],
        wrapper_class=structlog.make_filtering_bound_logger(level_of(settings)),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, StandardError())),
        cache_logger_on_first_use=True,
    )


class StandardError:
    """A stream that nobody has to read: a request does not fail because its log line could not be written."""

    def write(self, line: bytes) -> None:
        # Past the text layer, which costs more than all the rest of a line.
        with _unheard:
            sys.stderr.buffer.write(line)

    def flush(self) -> None:
        with _unheard:
            sys.stderr.buffer.flush()


def log_dictconfig(settings: Settings) -> dict[str, Any]:
    """The configuration of the standard library's `logging`, in the form that Granian wants for its own processes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"pipeline": {"()": f"{__name__}.library_formatter", "log_format": str(settings.log_format)}},
        "filters": {"plain": {"()": f"{__name__}.PlainWords"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "pipeline",
                "filters": ["plain"],
            }
        },
        "root": {"level": level_of(settings), "handlers": ["stderr"]},
        "loggers": {
            "_granian": {"level": "INFO", "propagate": True},
            # The envelope writes one line per request, without the query string that this one would show.
            "granian.access": {"level": "CRITICAL", "propagate": True},
            # Below WARNING it logs statements with their parameters.
            "sqlalchemy": {"level": "WARNING"},
            "cms_service.core.database.pool": {"level": "WARNING"},  # SQLAlchemy's, named after our class.
        },
    }


class PlainWords(logging.Filter):
    """Rewords lines of the server that are no plain statements."""

    _WORDS: ClassVar = {
        "Shutting down granian": "Stopping",
        "Granian shutdown completed, see ya!": "Stopped",
        "HUP signal received, gracefully respawning workers..": "Restarting the workers",
    }

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "_granian" and isinstance(record.msg, str):
            record.msg = self._WORDS.get(record.msg, record.msg)
        return True


def library_formatter(log_format: str) -> logging.Formatter:
    """Formats the records of libraries like our own lines."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_processors(LogFormat(log_format), structlog.stdlib.add_log_level),
        ],
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
    )


def _processors(log_format: LogFormat, add_level: Processor) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _clean_event,
        structlog.processors.JSONRenderer(serializer=_to_json)
        if log_format is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _clean_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """No secret by its name, and no character that could end the line and begin a forged one."""
    traceback = event.pop("exception", None)
    cleaned: EventDict = {}
    for name, value in event.items():
        is_clean = value.isprintable() if type(value) is str else type(value) in _HARMLESS
        if is_clean and not _is_secret(name):
            cleaned[name] = value  # Nearly every one, and there is a line for each request.
        else:
            cleaned |= _clean({name: value})
    if traceback is not None:
        cleaned["exception"] = "\n".join(f"  {_escape(line)}" for line in str(traceback).split("\n"))
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _escape(value)
    if isinstance(value, Mapping):
        return {
            _escape(str(name)): "[redacted]" if _is_secret(str(name)) else _clean(item) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _escape(text: str) -> str:
    return text if text.isprintable() else _CONTROL_CHARACTER.sub(lambda match: repr(match[0])[1:-1], text)


def _to_json(event: EventDict, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _to_bytes(_logger: WrappedLogger, _method: str, line: Any) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")


def level_of(settings: Settings) -> int:
    """As the standard library counts it."""
    return logging.getLevelNamesMapping()[settings.log_level.upper()]
