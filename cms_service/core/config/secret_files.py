"""Secrets in files, as orchestrators mount them: `CMS_SECRET_KEY_FILE` names a file that holds `CMS_SECRET_KEY`."""

from collections.abc import Mapping
from pathlib import Path

from cms_service.core.exceptions import ConfigurationError

SUFFIX = "_FILE"
_MOST_BYTES = 65_536


def other_form(name: str) -> str:
    """The variable that says the same in the other form: `CMS_SECRET_KEY` for `CMS_SECRET_KEY_FILE`, or back."""
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else name + SUFFIX


def read_secret(name: str, texts: Mapping[str, str]) -> str | None:
    """Return the text of the secret `name`, from its variable or from its file; None where neither is set.

    Raises:
        ConfigurationError: both are set, or the file does not hold a secret. The message shows neither the content nor
            the path, in whose place somebody may have put the secret.
    """
    path = texts.get(name + SUFFIX)
    if path is None:
        return texts.get(name)
    if name in texts:
        raise ConfigurationError(f"{name} and {name}{SUFFIX} are both set; expected one of them.")
    text = _read_file(name, path)
    if len(text.splitlines()) != 1:
        raise _unusable(name, "holds several lines" if text else "is empty")
    return text


def _read_file(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _unusable(name, f"cannot be read ({reason or 'no path'})") from None
    if len(content) > _MOST_BYTES:
        raise _unusable(name, f"has more than {_MOST_BYTES} bytes")
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _unusable(name, "is not UTF-8 text") from None


def _unusable(name: str, fault: str) -> ConfigurationError:
    return ConfigurationError(f"{name}{SUFFIX} names a file that {fault}; expected one line with {name}.")
