"""The findings of the doctor about settings that are legal and seldom meant."""

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cms_service.core.config import CONNECTIONS_PER_WORKER, load_settings
from cms_service.core.exceptions import SettingsRefused
from cms_service.schemas import Verdict
from cms_service.services import check_settings
from cms_service.services.settings_checks import SPARE_FILES
from tests.findings import CANARY, verdicts_of

PRODUCTION = {
    "CMS_ENV": "production",
    "CMS_PUBLIC_URL": "https://accounts.example.org",
    "CMS_DATABASE_URL": f"postgresql://cms:{CANARY}@db.internal/cms",
    "CMS_METRICS_TOKEN": "0f8d1a52c96e4b7d83fa2617c05be94d",
    "CMS_SECRET_KEY": "7Uq0VbYc0oV0m6kq1r4sQ2hZt3Xx9LwPj5NfG8aBcDE=",
}


def verdicts(**overrides: str) -> dict[str, Verdict]:
    settings = load_settings(PRODUCTION | {f"CMS_{name.upper()}": text for name, text in overrides.items()})
    return verdicts_of(check_settings(settings))


def test_nothing_is_wrong_with_the_least_that_production_needs() -> None:
    assert set(verdicts().values()) == {Verdict.OK}


@pytest.mark.parametrize(
    ("check", "verdict", "overrides"),
    [
        ("public_url", Verdict.WARN, {"public_url": "http://accounts.example.org"}),
        ("public_url", Verdict.WARN, {"public_url": "https://127.0.0.1:8000"}),
        ("trusted_proxies", Verdict.FAIL, {"trusted_proxies": "10.0.0.0/8,0.0.0.0/0"}),
        ("trusted_proxies", Verdict.FAIL, {"trusted_proxies": "::/0"}),
        ("trusted_proxies", Verdict.WARN, {"trusted_proxies": "128.0.0.0/1"}),
        ("trusted_proxies", Verdict.OK, {"trusted_proxies": "10.0.0.0/8,fd00::/8,198.51.100.7"}),
        ("trusted_proxies", Verdict.WARN, {"host": "0.0.0.0"}),  # noqa: S104 - nobody listens
        ("trusted_proxies", Verdict.OK, {"host": "0.0.0.0", "trusted_proxies": "10.1.2.3"}),  # noqa: S104
        ("cors_origins", Verdict.WARN, {"cors_origins": "https://a.example.org,http://b.example.org"}),
        ("cors_origins", Verdict.OK, {"cors_origins": "https://a.example.org"}),
        ("admin_password", Verdict.WARN, {"admin_password": f"{CANARY} and more"}),
        ("metrics_token", Verdict.WARN, {"metrics_token": ""}),
        ("log_level", Verdict.WARN, {"log_level": "debug"}),
    ],
)
def test_pitfall_of_production_is_told(check: str, verdict: Verdict, overrides: dict[str, str]) -> None:
    found = verdicts(**overrides)

    assert found.pop(check) is verdict
    assert set(found.values()) == {Verdict.OK}


def test_what_is_set_is_shown() -> None:
    environ = PRODUCTION | {"CMS_TRUSTED_PROXIES": "10.1.2.3,fd00::/8", "CMS_CORS_ORIGINS": "https://a.example.org"}
    settings = load_settings(environ)

    found = {finding.check: finding.found for finding in check_settings(settings)}

    assert found["public_url"] == "https://accounts.example.org"
    assert found["trusted_proxies"] == "10.1.2.3/32, fd00::/8"
    assert found["cors_origins"] == "https://a.example.org"
    assert found["log_level"] == "info"


@pytest.mark.parametrize(("hashing", "verdict"), [("standard", Verdict.OK), ("cheapest", Verdict.WARN)])
def test_cheap_hashes_are_told_in_development(hashing: str, verdict: Verdict) -> None:
    assert verdicts(env="development", password_hashing=hashing)["password_hashing"] is verdict


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_PROPAGATORS", "one-that-nobody-has-heard-of"),
    ],
)
def test_tracing_that_serve_refuses_is_told(variable: str, text: str) -> None:
    program = (
        "from cms_service.core.config import load_settings\n"
        "from cms_service.services import check_settings\n"
        f"print([f.found for f in check_settings(load_settings({PRODUCTION})) if f.check == 'tracing'])"
    )
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", variable: text}

    # OpenTelemetry reads them as it is imported, so in a process of its own.
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )

    assert variable in ended.stdout


def test_tracing_that_is_misspelt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "jaeger")

    [tracing] = [finding for finding in check_settings(load_settings(PRODUCTION)) if finding.check == "tracing"]

    assert tracing.verdict is Verdict.FAIL
    assert "OTEL_TRACES_EXPORTER" in tracing.found
    assert str(tracing.advice).startswith("Correct the variable or remove it")


@pytest.fixture
def few_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_too_few_open_files_are_told() -> None:
    settings = load_settings(PRODUCTION)
    needed = (
        CONNECTIONS_PER_WORKER + settings.database_pool_size + settings.database_fast_lane_connections + SPARE_FILES
    )

    [files] = [finding for finding in check_settings(settings) if finding.check == "open_files"]

    assert files.verdict is Verdict.WARN
    assert files.found == f"a process may open 1024 files, and a busy worker opens up to {needed}"
    assert f" to {2 * CONNECTIONS_PER_WORKER} or more" in str(files.advice)


@pytest.mark.parametrize(("missing", "verdict"), [(0, Verdict.OK), (1, Verdict.WARN)])
def test_as_many_open_files_as_a_busy_worker_needs_are_enough(
    monkeypatch: pytest.MonkeyPatch, missing: int, verdict: Verdict
) -> None:
    settings = load_settings(PRODUCTION)
    needed = (
        CONNECTIONS_PER_WORKER + settings.database_pool_size + settings.database_fast_lane_connections + SPARE_FILES
    )
    # The limit of this process may not be raised that far.
    monkeypatch.setattr(resource, "getrlimit", lambda _: (needed - missing, resource.RLIM_INFINITY))

    assert verdicts()["open_files"] is verdict


def test_no_limit_of_open_files_is_no_low_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    [files] = [finding for finding in check_settings(load_settings(PRODUCTION)) if finding.check == "open_files"]

    assert (files.verdict, files.found) == (Verdict.OK, "no limit")


def refused_in(environ: dict[str, str]) -> list[str]:
    """The names of the variables that are refused, in the order in which they are reported."""
    with pytest.raises(SettingsRefused) as caught:
        load_settings(environ)
    return [problem.split()[0] for problem in caught.value.problems]


def test_every_problem_is_listed_at_once() -> None:
    environ = PRODUCTION | {"CMS_PORT": "http", "CMS_PORTT": "1", "CMS_WORKERS": "65", "CMS_SECRET_KEY": ""}

    assert refused_in(environ) == ["CMS_PORTT", "CMS_PORT", "CMS_WORKERS", "CMS_SECRET_KEY"]


def test_every_contradiction_is_listed_at_once() -> None:
    environ = PRODUCTION | {
        "CMS_REFRESH_ABSOLUTE_SECONDS": "60",
        "CMS_SIGNING_KEY_SECONDS": "60",
        "CMS_DATABASE_URL": "postgresql://cms:changeme@db.internal/cms",
    }

    assert refused_in(environ) == ["CMS_REFRESH_ABSOLUTE_SECONDS", "CMS_SIGNING_KEY_SECONDS", "CMS_DATABASE_URL"]
