import threading

import pytest

from cms_service.core.config import TracesExporter, load_settings, read_traces_exporter, traces_exporter
from cms_service.core.exceptions import ConfigurationError
from cms_service.core.observability import refuse_unusable_tracing
from tests.unit.test_settings import DEVELOPMENT, KEY

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
TOKEN = "0d8cf3d1a1f64bb19c6e4bd0a9dbb3c1"
CREDENTIAL = "canary-of-the-collector"


@pytest.mark.parametrize(
    ("environ", "exporter"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "accounts", "OTEL_TRACES_SAMPLER": "always_on"}, None),
        (ENDPOINT, TracesExporter.OTLP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, TracesExporter.OTLP),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, TracesExporter.OTLP),
        ({"OTEL_TRACES_EXPORTER": "console"}, TracesExporter.CONSOLE),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, None),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, None),
        (ENDPOINT | {"OTEL_SDK_DISABLED": ""}, TracesExporter.OTLP),
    ],
)
def test_standard_variables_switch_traces(environ: dict[str, str], exporter: TracesExporter | None) -> None:
    assert traces_exporter(environ) is exporter


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER is 'jaeger'; expected otlp, console or none."),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; expected http/"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": f"user:{CREDENTIAL}@collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is no address; expected one such as http://collector:4318.",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{CREDENTIAL}@collector:port/"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no address",
        ),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{CREDENTIAL}%0A"},
            "OTEL_EXPORTER_OTLP_HEADERS has a character that cannot be sent in a header.",
        ),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"},
            "OTEL_EXPORTER_OTLP_CERTIFICATE is '/nowhere/ca.pem', where there is no file.",
        ),
    ],
)
def test_exporter_that_there_is_not_is_refused(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        traces_exporter(environ)
    assert str(caught.value).startswith(complaint)
    assert CREDENTIAL not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be less than or equal to OTEL_BSP_MAX_"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "Unable to parse value for OTEL_BSP_MAX_QUEUE_SIZE as integer."),
        ("OTEL_BSP_SCHEDULE_DELAY", "0", "OTEL_BSP_SCHEDULE_DELAY must be positive."),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "x", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "Couldn't recognize sampler sometimes."),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "Unsupported compression type: zip."),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "Invalid timeout value 'soon'"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"authorization: {CREDENTIAL}", "OTEL_EXPORTER_OTLP_HEADERS is malformed;"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", f"a=b,{CREDENTIAL}", "OTEL_EXPORTER_OTLP_HEADERS is malformed;"),
        ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "no", "Requested component 'no' not found"),
        ("OTEL_RESOURCE_ATTRIBUTES", "accounts", "Invalid key value resource attribute pair accounts"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "no", "Failed to load resource detector 'no', skipping."),
    ],
)
def test_what_the_sdk_cannot_use_is_told_in_one_line_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, text: str, complaint: str
) -> None:
    for name, value in (ENDPOINT | {variable: text}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        refuse_unusable_tracing(read_traces_exporter())
    told = str(caught.value)
    assert complaint in told
    assert "\n" not in told
    assert CREDENTIAL not in told
    assert not caplog.records


@pytest.mark.parametrize("exporter", ["otlp", "console", "none"])
def test_what_the_specification_allows_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exporter: str
) -> None:
    """An empty variable is as good as none, and a sampler needs no rate."""
    threads = threading.active_count()
    allowed = {
        "OTEL_TRACES_EXPORTER": exporter,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": " ",
        "OTEL_BSP_MAX_QUEUE_SIZE": "",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{CREDENTIAL},x-tenant=a b",
    }
    for name, value in allowed.items():
        monkeypatch.setenv(name, value)
    refuse_unusable_tracing(read_traces_exporter())
    assert not caplog.records
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        (TOKEN[:-1], "CMS_METRICS_TOKEN is too short (31 characters); expected at least 32"),
        (f"changeme{TOKEN}", "CMS_METRICS_TOKEN is a placeholder; expected"),
        (f"{TOKEN} {TOKEN}", "CMS_METRICS_TOKEN has a character that no bearer token has; expected"),
        ("a" * 32, "CMS_METRICS_TOKEN is predictable; expected"),
        ("abcdef" * 6, "CMS_METRICS_TOKEN is predictable; expected"),
        ("0123456789abcdef" * 2, "CMS_METRICS_TOKEN is predictable; expected"),
        (KEY, "CMS_SECRET_KEY equals CMS_METRICS_TOKEN; expected two different secrets."),
    ],
)
def test_metrics_token_is_refused_when_it_is_weak(token: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(DEVELOPMENT | {"CMS_METRICS_TOKEN": token})
    assert str(caught.value).startswith(complaint)
    assert token not in str(caught.value)


def test_metrics_token_is_optional_and_does_not_show() -> None:
    assert load_settings(DEVELOPMENT).metrics_token is None
    settings = load_settings(DEVELOPMENT | {"CMS_METRICS_TOKEN": TOKEN})
    assert settings.metrics_token == TOKEN
    assert TOKEN not in repr(settings)
