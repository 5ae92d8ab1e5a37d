"""Whether requests are traced: the standard variables of OpenTelemetry decide. Its SDK reads the others itself."""

import os
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

from cms_service.core.config.web_addresses import split_web_address
from cms_service.core.exceptions import ConfigurationError

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_FILES = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}{file}"
    for signal in ("", "TRACES_")
    for file in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
)


class TracesExporter(StrEnum):
    """Where spans go."""

    OTLP = "otlp"
    CONSOLE = "console"


def read_traces_exporter() -> TracesExporter | None:
    """What the environment of this process says. Raises ConfigurationError."""
    environ = os.environ  # noqa: TID251 - here it is read
    _complete(environ)
    return traces_exporter(environ)


def _complete(environ: MutableMapping[str, str]) -> None:
    """The specification calls an empty variable as good as none, and a missing rate 1. The SDK complains of both."""
    for name in [name for name, text in environ.items() if name.startswith("OTEL_") and not text.strip()]:
        del environ[name]
    if "OTEL_TRACES_SAMPLER" in environ:
        environ.setdefault("OTEL_TRACES_SAMPLER_ARG", "1.0")


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
    if exporter is TracesExporter.OTLP:
        _refuse_unusable_collector(given)
    return exporter


def _refuse_unusable_collector(given: Mapping[str, str]) -> None:
    """What the SDK would notice when it has spans to send. Addresses and headers may hold credentials: none shows."""
    for variable in _PROTOCOLS:
        if given.get(variable, _PROTOCOL) != _PROTOCOL:
            raise ConfigurationError(f"{variable} is {given[variable]!r}; expected {_PROTOCOL}.")
    for variable in _ENDPOINTS:
        if variable in given and not _is_web_address(given[variable]):
            raise ConfigurationError(f"{variable} is no address; expected one such as http://collector:4318.")
    for variable in _HEADERS:
        text = unquote(given.get(variable, ""))
        if not (text.isascii() and text.isprintable()):
            raise ConfigurationError(f"{variable} has a character that cannot be sent in a header.")
    for variable in _FILES:
        if variable in given and not Path(given[variable]).exists():
            raise ConfigurationError(f"{variable} is {given[variable]!r}, where there is no file.")


def _is_web_address(text: str) -> bool:
    try:
        split_web_address(text)
    except ValueError:
        return False
    return True
