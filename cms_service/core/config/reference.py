"""The settings for people: `.env.example` and the reference page of the documentation."""

from textwrap import wrap

import msgspec

from cms_service.core.config.secret_files import other_form
from cms_service.core.config.settings import VARIABLES, Settings, variable_name
from cms_service.core.config.variables import Variable

_WIDTH = 100
_SUBJECTS = {
    "Mode and address": (
        "environment",
        "host",
        "port",
        "public_url",
        "trusted_proxies",
        "cors_origins",
    ),
    "Processes": ("workers", "drain_seconds", "keep_alive_seconds", "housekeeping_seconds"),
    "Database": (
        "database_url",
        "database_direct_url",
        "database_pool_size",
        "database_fast_lane_connections",
        "database_pool_timeout_seconds",
        "database_connect_timeout_seconds",
        "database_command_timeout_seconds",
        "database_lock_timeout_seconds",
    ),
    "Development": ("data_dir", "pg_bin"),
    "Keys": (
        "secret_key",
        "secret_key_previous",
        "signing_algorithm",
        "signing_key_seconds",
        "signing_key_ahead_seconds",
    ),
    "Accounts": ("admin_email", "admin_password", "registration"),
    "Passwords": (
        "password_min_characters",
        "password_words",
        "password_hashing",
        "hash_concurrency",
        "hash_queue_size",
        "throttle_network_failures",
    ),
    "Sessions and tokens": (
        "access_token_seconds",
        "refresh_idle_seconds",
        "refresh_absolute_seconds",
        "refresh_grace_seconds",
        "reauthentication_seconds",
        "api_key_days",
    ),
    "Memory": ("max_staleness_ms", "cached_subjects"),
    "Logs and metrics": ("log_format", "log_level", "metrics_token"),
}
"""The sections of the reference page, and the settings of each."""
_INTRODUCTION = """\
# Settings

Environment variables that the service reads once, at its start. [Configure](../guides/configure.md) tells which ones a
deployment needs. `cms-service settings` shows the values in force. An empty variable counts as one that is not set.
"""


def render_env_example() -> str:
    """Return the text of `.env.example`: every setting, described, with its default in development."""
    lines = [
        "# Settings of cms-service, made by `cms-service settings --env-example`. Copy to `.env`, which is read in",
        "# development only. Every line that starts with #CMS_ shows the default, or an example where there is none.",
        "",
        "CMS_ENV=development",
    ]
    for field, variable in VARIABLES.items():
        if field == "environment":
            continue
        facts = f"Expected: {variable.parser.expected}."
        if variable.computed_default:
            facts += f" Default: {variable.computed_default}."
        if variable.is_secret:
            facts += f" {other_form(variable_name(field))} may name a file that holds it instead."
        paragraphs = (variable.description, facts)
        # Part no address, date or name at its hyphen.
        wrapped = (line for paragraph in paragraphs for line in wrap(paragraph, _WIDTH, break_on_hyphens=False))
        lines += ["", *(f"# {line}" for line in wrapped)]
        lines.append(f"#{variable_name(field)}={_development_text(variable)}")
    return "\n".join(lines) + "\n"


def render_settings(settings: Settings) -> str:
    """Return one line for each setting with its present value; secrets are not shown."""
    return "".join(f"{variable_name(field)}={_text(value)}\n" for field, value in settings.__rich_repr__())


def render_settings_as_json(settings: Settings) -> str:
    """Return a JSON object with the present value of each setting, null where it has none; secrets are not shown."""
    values = {variable_name(field): value for field, value in settings.__rich_repr__()}
    return msgspec.json.format(msgspec.json.encode(values, enc_hook=str)).decode() + "\n"


def render_settings_reference() -> str:
    """Return the reference page in Markdown: a section for every setting, by subject."""
    sections = [_INTRODUCTION]
    for subject, fields in _SUBJECTS.items():
        sections.append(f"## {subject}\n")
        sections += [_section(field, VARIABLES[field]) for field in fields]
    return "\n".join(sections)


def _section(field: str, variable: Variable) -> str:
    name = variable_name(field)
    facts = [f"Default: {_default_words(variable)}", f"Expected: {variable.parser.expected}"]
    if variable.is_secret:
        facts.append(f"In a file: `{other_form(name)}`")
    return "\n".join([f"### {name}", "", variable.description, "", *(f"- {fact}" for fact in facts), ""])


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _development_text(variable: Variable) -> str:
    texts = (variable.development_default, variable.default, variable.example)
    return next((text for text in texts if text), "")


def _default_words(variable: Variable) -> str:
    words = variable.computed_default or (f"`{variable.default}`" if variable.default else "none")
    if variable.development_default:
        words += f" (development: `{variable.development_default}`)"
    return f"**required in production**; {words}" if variable.is_required_in_production else words
