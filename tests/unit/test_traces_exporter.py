import pytest

from cms_service.core.config import TracesExporter, load_settings, traces_exporter
from cms_service.core.exceptions import ConfigurationError
from tests.unit.test_settings import DEVELOPMENT, KEY

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
TOKEN = "0d8cf3d1a1f64bb19c6e4bd0a9dbb3c1"


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
    ],
)
def test_exporter_that_there_is_not_is_refused(environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        traces_exporter(environ)
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        (TOKEN[:-1], "CMS_METRICS_TOKEN is too short (31 characters); expected at least 32"),
        (f"changeme{TOKEN}", "CMS_METRICS_TOKEN is a placeholder; expected"),
        (f"{TOKEN} {TOKEN}", "CMS_METRICS_TOKEN has a character that no bearer token has; expected"),
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
