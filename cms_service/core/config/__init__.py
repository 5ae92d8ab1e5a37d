"""The settings of the service, from its environment."""

from cms_service.core.config.environment import load_settings, read_environment
from cms_service.core.config.logging import StandardError, configure_logging, level_of, log_dictconfig
from cms_service.core.config.reference import (
    render_env_example,
    render_settings,
    render_settings_as_json,
    render_settings_reference,
)
from cms_service.core.config.settings import (
    CONNECTIONS_PER_WORKER,
    LONGEST_API_KEY_DAYS,
    Environment,
    LogFormat,
    LogLevel,
    PasswordHashing,
    Registration,
    Settings,
    SigningAlgorithm,
)
from cms_service.core.config.tracing import TracesExporter, read_traces_exporter, traces_exporter

__all__ = [
    "CONNECTIONS_PER_WORKER",
    "LONGEST_API_KEY_DAYS",
    "Environment",
    "LogFormat",
    "LogLevel",
    "PasswordHashing",
    "Registration",
    "Settings",
    "SigningAlgorithm",
    "StandardError",
    "TracesExporter",
    "configure_logging",
    "level_of",
    "load_settings",
    "log_dictconfig",
    "read_environment",
    "read_traces_exporter",
    "render_env_example",
    "render_settings",
    "render_settings_as_json",
    "render_settings_reference",
    "traces_exporter",
]
