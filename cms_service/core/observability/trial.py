"""What OpenTelemetry makes of its variables. It is tried before there are workers, which would fail one by one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from cms_service.core.config import TracesExporter
from cms_service.core.exceptions import ConfigurationError

HEADERS_PARSER = "opentelemetry.util.re"
"""Whoever complains of headers here quotes them, and they hold credentials."""
MALFORMED_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS is malformed; expected name=value,name=value with encoded values"
VARIABLES = {
    "max_queue_size": "OTEL_BSP_MAX_QUEUE_SIZE",
    "max_export_batch_size": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "schedule_delay_millis": "OTEL_BSP_SCHEDULE_DELAY",
}
"""What the SDK calls them when it refuses them."""


def refuse_unusable_tracing(exporter: TracesExporter | None) -> None:
    """Raises ConfigurationError where the SDK fails with the variables of this process, or complains of one.

    What the SDK needs to export spans is made once, and shut down. Nothing is sent.
    """
    if exporter is None:
        return
    with _complaints() as complaints:
        try:
            import_module("opentelemetry.propagate")
        except ValueError as error:
            raise ConfigurationError(f"OTEL_PROPAGATORS cannot be used: {error}") from None
        try:
            # Some variables are read by the import itself, which costs 100 ms and 20 MB.
            from cms_service.core.observability.spans import OpenTelemetry  # noqa: PLC0415

            OpenTelemetry(exporter, "").shutdown()
        except Exception as error:  # noqa: BLE001 - whatever the SDK and what is plugged into it raise
            complaints.append(str(error))
    if complaints:
        raise ConfigurationError(f"OpenTelemetry cannot be used as its variables (OTEL_…) say: {_line(complaints[0])}")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What OpenTelemetry would log, which is kept out of the log."""
    logger = logging.getLogger("opentelemetry")
    level, propagate = logger.level, logger.propagate
    complaints = _Complaints()
    logger.addHandler(complaints)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield complaints.heard
    finally:
        logger.removeHandler(complaints)
        logger.setLevel(level)
        logger.propagate = propagate


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(MALFORMED_HEADERS if record.name == HEADERS_PARSER else record.getMessage())


def _line(complaint: str) -> str:
    for name, variable in VARIABLES.items():
        complaint = complaint.replace(name, variable)
    return " ".join(complaint.split()).rstrip(".") + "."
