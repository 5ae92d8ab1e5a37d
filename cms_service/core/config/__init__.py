"""The settings of the service, from its environment."""

from cms_service.core.config.environment import load_settings, read_environment
from cms_service.core.config.logging import configure_logging, log_dictconfig
from cms_service.core.config.reference import render_env_example, render_settings, render_settings_reference
from cms_service.core.config.request_log import LoggedRequest, RequestLogger, request_logger
from cms_service.core.config.settings import (
    LONGEST_API_KEY_DAYS,
    Environment,
    LogFormat,
    LogLevel,
    Registration,
    Settings,
    SigningAlgorithm,
)

__all__ = [
    "LONGEST_API_KEY_DAYS",
    "Environment",
    "LogFormat",
    "LogLevel",
    "LoggedRequest",
    "Registration",
    "RequestLogger",
    "Settings",
    "SigningAlgorithm",
    "configure_logging",
    "load_settings",
    "log_dictconfig",
    "read_environment",
    "render_env_example",
    "render_settings",
    "render_settings_reference",
    "request_logger",
]
