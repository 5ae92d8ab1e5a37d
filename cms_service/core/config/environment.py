"""From the process's environment to Settings, in two steps, so that tests need only the second."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from cms_service.core.config.credentials import (
    development_secret_key,
    refuse_placeholder_database_password,
    refuse_reused_secrets,
)
from cms_service.core.config.secret_files import other_form, read_secret
from cms_service.core.config.service_links import without_service_links
from cms_service.core.config.settings import (
    SECRETS,
    VARIABLES,
    Environment,
    PasswordHashing,
    Settings,
    processor_count,
    variable_name,
)
from cms_service.core.exceptions import ConfigurationError, SettingsRefused

_PREFIX = "CMS_"
_ADVICE_TO_NEWCOMERS = (
    "CMS_ENV is not set, which means production. "
    "To try the service, set CMS_ENV=development: it needs no other setting."
)


def read_environment(directory: Path | None = None) -> dict[str, str]:
    """Return the variables of the service; in development those missing come from `.env` in the directory."""
    given = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}  # noqa: TID251 - here it is
    own = without_service_links(given)
    path = (directory or Path.cwd()) / ".env"
    try:
        file = dotenv_values(path, interpolate=False) if path.is_file() else {}
        is_open = bool(file) and path.stat().st_mode & stat.S_IWOTH != 0
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} cannot be read; expected UTF-8 text with a NAME=value on each line."
        ) from None
    both = {
        name: value
        for name, value in file.items()
        if name.startswith(_PREFIX) and value and not own.get(other_form(name))
    } | own
    is_development = both.get("CMS_ENV", "").strip().lower() == Environment.DEVELOPMENT
    if is_development and is_open:
        raise ConfigurationError(f"{path} can be changed by everybody on this machine; run `chmod o-w {path}`.")
    return both if is_development else own


def load_settings(environ: Mapping[str, str], *, makes_secret_key: bool = True) -> Settings:
    """Return the settings that the variables, and the files that they name, contain.

    In development a missing secret key is made, unless told not to, and kept in `CMS_DATA_DIR`.

    Raises:
        SettingsRefused: variables are unknown, missing or wrong; it names all of them, and never shows a secret.
        ConfigurationError: the secret key of development cannot be kept.
    """
    reading = _Reading(environ)
    if reading.problems:
        raise SettingsRefused(reading.problems, _ADVICE_TO_NEWCOMERS if reading.needs_advice else None)
    values = reading.values

    # Values that are computed from others; the table of settings describes them in words.
    values["public_url"] = values["public_url"] or f"http://127.0.0.1:{values['port']}"
    values["database_direct_url"] = values["database_direct_url"] or values["database_url"]
    values["hash_concurrency"] = values["hash_concurrency"] or processor_count()
    if values["environment"] is Environment.DEVELOPMENT and values["secret_key"] is None:
        values["secret_key"] = development_secret_key(values["data_dir"], is_made=makes_secret_key)
    return Settings(**values)


class _Reading:
    """The values that can be read, and a problem for each that cannot."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        texts = without_service_links(
            {name: value.strip() for name, value in environ.items() if name.startswith(_PREFIX) and value.strip()}
        )
        self.values: dict[str, Any] = {}
        self.problems = list(_unknown(texts))
        for name in map(variable_name, SECRETS):
            text = self._try(partial(read_secret, name, texts))
            texts |= {name: text} if text else {}
        # Without a valid CMS_ENV it is unknown which settings are required, so none is reported as missing.
        environment = self._read("environment", texts, None)
        for field in VARIABLES:
            if field != "environment":
                self._read(field, texts, environment)
        self.needs_advice = "CMS_ENV" not in texts and any(_is_missing(field, texts) for field in VARIABLES)
        if not self.problems:  # Else a value would be compared that is not there.
            for rule in _CONTRADICTIONS:
                self._try(partial(rule, self.values, texts))

    def _read(self, field: str, texts: Mapping[str, str], environment: Environment | None) -> Any:
        self.values[field] = self._try(partial(_read, field, texts, environment))
        return self.values[field]

    def _try(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except ConfigurationError as error:
            self.problems.append(str(error))
            return None


def _read(field: str, texts: Mapping[str, str], environment: Environment | None) -> Any:
    variable, name = VARIABLES[field], variable_name(field)
    default = variable.default
    if environment is Environment.DEVELOPMENT and variable.development_default is not None:
        default = variable.development_default
    text = texts.get(name, default)
    if text is not None:
        return variable.read(name, text)
    if environment is Environment.PRODUCTION and _is_missing(field, texts):
        raise ConfigurationError(f"{name} is missing; expected {variable.parser.expected}.")
    return None


def _is_missing(field: str, texts: Mapping[str, str]) -> bool:
    """Whether production needs the variable, and neither it nor its file is named."""
    name = variable_name(field)
    return VARIABLES[field].is_required_in_production and name not in texts and other_form(name) not in texts


def _unknown(texts: Mapping[str, str]) -> Iterator[str]:
    known = [*map(variable_name, VARIABLES), *(other_form(variable_name(field)) for field in SECRETS)]
    for name in sorted(texts.keys() - set(known)):
        similar = get_close_matches(name, known, n=1, cutoff=0.75)
        hint = f"did you mean {similar[0]}?" if similar else "`cms-service settings` lists those there are."
        yield f"{name} is not a setting; {hint}"


def _refuse_short_sessions(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["refresh_absolute_seconds"] < values["refresh_idle_seconds"]:
        raise ConfigurationError(
            f"CMS_REFRESH_ABSOLUTE_SECONDS is {values['refresh_absolute_seconds']}; expected "
            f"CMS_REFRESH_IDLE_SECONDS ({values['refresh_idle_seconds']}) or more."
        )


def _refuse_half_an_address(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["database_direct_url"] and not values["database_url"]:
        raise ConfigurationError("CMS_DATABASE_DIRECT_URL is set and CMS_DATABASE_URL is not; expected both.")


def _refuse_hasty_keys(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["signing_key_seconds"] <= values["signing_key_ahead_seconds"]:
        raise ConfigurationError(
            f"CMS_SIGNING_KEY_SECONDS is {values['signing_key_seconds']}; expected more than "
            f"CMS_SIGNING_KEY_AHEAD_SECONDS ({values['signing_key_ahead_seconds']})."
        )


def _refuse_equal_keys(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["secret_key"] and values["secret_key"] == values["secret_key_previous"]:
        raise ConfigurationError("CMS_SECRET_KEY_PREVIOUS equals CMS_SECRET_KEY; expected another key, or none.")


def _refuse_reused_secrets(values: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    refuse_reused_secrets(
        generated_texts={name: texts.get(name, "") for name in _GENERATED},
        admin_password=values["admin_password"],
        database_urls={variable_name(field): values[field] or "" for field in _DATABASE_URLS},
    )


def _refuse_placeholders(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["environment"] is Environment.PRODUCTION:
        for field in _DATABASE_URLS:
            refuse_placeholder_database_password(variable_name(field), values[field] or "")


def _refuse_cheap_hashing(values: Mapping[str, Any], _: Mapping[str, str]) -> None:
    if values["environment"] is Environment.PRODUCTION and values["password_hashing"] is not PasswordHashing.STANDARD:
        raise ConfigurationError(
            f"CMS_PASSWORD_HASHING is {values['password_hashing']}; expected standard in production."
        )


_GENERATED = ("CMS_SECRET_KEY", "CMS_SECRET_KEY_PREVIOUS", "CMS_METRICS_TOKEN")
_DATABASE_URLS = ("database_url", "database_direct_url")

_CONTRADICTIONS: tuple[Callable[[Mapping[str, Any], Mapping[str, str]], None], ...] = (
    _refuse_short_sessions,
    _refuse_half_an_address,
    _refuse_hasty_keys,
    _refuse_equal_keys,
    _refuse_reused_secrets,
    _refuse_placeholders,
    _refuse_cheap_hashing,
)
"""What is wrong with values that are good one by one."""
