"""What operators see of a running service: its requests, its metrics and its traces."""

from cms_service.core.observability.metrics import Metrics, Page
from cms_service.core.observability.request_log import LoggedRequest, is_probe, request_logger
from cms_service.core.observability.tracing import RequestSpan, Tracing, start_tracing
from cms_service.core.observability.trial import refuse_unusable_tracing

__all__ = [
    "LoggedRequest",
    "Metrics",
    "Page",
    "RequestSpan",
    "Tracing",
    "is_probe",
    "refuse_unusable_tracing",
    "request_logger",
    "start_tracing",
]
