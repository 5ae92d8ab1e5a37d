"""Whether requests are traced: the standard variables of OpenTelemetry decide. Its SDK reads the others itself."""

import os
from collections.abc import Mapping
from enum import StrEnum

from cms_service.core.exceptions import ConfigurationError

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


class TracesExporter(StrEnum):
    """Where spans go."""

    OTLP = "otlp"
    CONSOLE = "console"


def read_traces_exporter() -> TracesExporter | None:
    """What the environment of this process says. Raises ConfigurationError."""
    return traces_exporter(os.environ)  # noqa: TID251 - here it is read


def traces_exporter(environ: Mapping[str, str]) -> TracesExporter | None:
    """Where spans go, if anywhere: without a word about an exporter nothing is traced.

    Raises:
        ConfigurationError: the variables ask for what there is not.
    """
    given = {name: text.strip() for name, text in environ.items() if name.startswith("OTEL_") and text.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    name = given.get(_EXPORTER, TracesExporter.OTLP if any(endpoint in given for endpoint in _ENDPOINTS) else "none")
    if name == "none":
        return None
    try:
        exporter = TracesExporter(name)
    except ValueError:
        raise ConfigurationError(f"{_EXPORTER} is {name!r}; expected otlp, console or none.") from None
    for variable in _PROTOCOLS:
        if exporter is TracesExporter.OTLP and given.get(variable, _PROTOCOL) != _PROTOCOL:
            raise ConfigurationError(f"{variable} is {given[variable]!r}; expected {_PROTOCOL}.")
    return exporter
