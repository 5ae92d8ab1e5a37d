"""What counts as a secret, and the address of the database, which holds one."""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from cms_service.core.config.variables import Parser, Unusable
from cms_service.core.exceptions import ConfigurationError

_MINIMUM_KEY_BYTES = 32
_MINIMUM_TOKEN_CHARACTERS = 32
_MINIMUM_TOKEN_VALUES = 7
"""Different characters. 32 random hexadecimal digits have fewer once in 10^9 tokens."""
_MINIMUM_PASSWORD_CHARACTERS = 8
"""The least that any deployment accepts; the policy, which may ask for more, is applied when the account is made."""
_MAXIMUM_PASSWORD_CHARACTERS = 128
# Six letters at least, so that a random base64 key contains one of them once in 10^7 keys.
_PLACEHOLDERS = (
    "changeme",
    "default",
    "example",
    "insecure",
    "password",
    "placeholder",
    "qwerty",
    "replace",
    "secret",
    "yourkey",
)

_HOSTS_WITH_IPV6 = re.compile(r"([a-z+]+://(?:[^/?#]*@)?)((?=[^/?#]*,)[^/?#@]*\[[^/?#@]*)(/.*)")
"""Three groups: scheme and account, several hosts with an IPv6 address among them, path and options."""


def secret_key() -> Parser:
    return Parser(
        f"at least {_MINIMUM_KEY_BYTES} random bytes as base64 or hex (openssl rand -base64 32)", parse_secret_key
    )


def parse_secret_key(text: str) -> bytes:
    """Accept what only a random generator makes: whoever guesses the key can sign tokens."""
    if is_placeholder(text):
        raise Unusable("is a placeholder")
    key = _decode(text)
    if len(key) < _MINIMUM_KEY_BYTES:
        raise Unusable(f"is too short ({len(key)} bytes)")
    if _is_predictable(key):
        raise Unusable("is predictable")
    return key


def account_password() -> Parser:
    def parse(text: str) -> str:
        if is_placeholder(text):
            raise Unusable("is a placeholder")
        if not _MINIMUM_PASSWORD_CHARACTERS <= len(text) <= _MAXIMUM_PASSWORD_CHARACTERS:
            raise Unusable("is too short or too long")
        return text

    return Parser(f"{_MINIMUM_PASSWORD_CHARACTERS} to {_MAXIMUM_PASSWORD_CHARACTERS} characters", parse)


def bearer_token() -> Parser:
    def parse(text: str) -> str:
        if is_placeholder(text):
            raise Unusable("is a placeholder")
        if len(text) < _MINIMUM_TOKEN_CHARACTERS:
            raise Unusable(f"is too short ({len(text)} characters)")
        if len(set(text)) < _MINIMUM_TOKEN_VALUES or _is_periodic(text):
            raise Unusable("is predictable")
        # What a header can carry (RFC 6750 §2.1).
        if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text):
            raise Unusable("has a character that no bearer token has")
        return text

    return Parser(f"at least {_MINIMUM_TOKEN_CHARACTERS} random characters (openssl rand -hex 32)", parse)


def postgres_url() -> Parser:
    """Accept the usual spellings and return the one that SQLAlchemy's asyncpg dialect takes.

    There may be several hosts, separated by commas. `target_session_attrs` is accepted where it asks for a primary, and
    left out: every connection is made to a primary.
    """

    def parse(text: str) -> str:
        parts = urlsplit(_with_hosts_as_option(text))
        options = {"ssl" if name == "sslmode" else name: value for name, value in parse_qsl(parts.query)}
        hosts = parts.netloc.rpartition("@")[2].split(",")
        is_postgres = parts.scheme in {"postgres", "postgresql", "postgresql+asyncpg"}
        if not is_postgres or not parts.path.strip("/") or not all(map(_is_host, hosts)):
            raise ValueError
        if unknown := options.keys() - {"host", "port", "ssl", "target_session_attrs"}:
            raise Unusable(f"has the option {min(unknown)!r}, which is not known")
        if options.pop("target_session_attrs", "primary") not in {"primary", "read-write"}:
            raise Unusable("asks for a server that need not be the primary")
        if not all(hosts) and "host" not in options:
            raise Unusable("names no host")
        query = f"?{urlencode(options, safe='/,:[]')}" if options else ""
        return f"postgresql+asyncpg://{parts.netloc}{parts.path}{query}"

    return Parser("postgresql://user:password@host:5432/database, with ?sslmode=… at most", parse)


def _with_hosts_as_option(text: str) -> str:
    """Move several hosts, one of which is an IPv6 address, into the option `host`.

    Newer versions of Python, and so the driver, refuse them as the authority of a URL. Raises ValueError where one of
    them is no host.
    """
    match = _HOSTS_WITH_IPV6.fullmatch(text)
    if match is None:
        return text
    before, hosts, after = match.groups()
    if not all(host and _is_host(host) for host in hosts.split(",")):
        raise ValueError
    return f"{before}{after}{'&' if '?' in after else '?'}host={hosts}"


def _is_host(text: str) -> bool:
    """Whether it is a host with a port, or without one. Raises ValueError where that is no port."""
    return urlsplit(f"//{text}").port != 0


def is_placeholder(text: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    return any(word in letters for word in _PLACEHOLDERS)


def refuse_reused_secrets(
    *, generated_texts: Mapping[str, str], admin_password: str | None, database_urls: Mapping[str, str]
) -> None:
    """One leaked secret must not be two."""
    for name, text in generated_texts.items():
        if others := [other for other in generated_texts if text and generated_texts[other] == text and other < name]:
            raise ConfigurationError(f"{name} equals {others[0]}; expected two different secrets.")
        if text and text == admin_password:
            raise ConfigurationError(f"{name} equals CMS_ADMIN_PASSWORD; expected two different secrets.")
        for holder, url in database_urls.items():
            if text and text in unquote(url):
                raise ConfigurationError(f"{name} is also in {holder}; expected two different secrets.")
    for holder, url in database_urls.items():
        if admin_password and admin_password == unquote(urlsplit(url).password or ""):
            raise ConfigurationError(f"CMS_ADMIN_PASSWORD is also in {holder}; expected two different secrets.")


def refuse_placeholder_database_password(name: str, database_url: str) -> None:
    if is_placeholder(unquote(urlsplit(database_url).password or "")):
        raise ConfigurationError(f"{name} has a placeholder for a password; expected a secret of its own.")


def development_secret_key(directory: Path, *, is_made: bool = True) -> bytes:
    """Return the key kept in the directory, made by the first call if `is_made`; only its owner can read it."""
    path = directory / "secret_key"
    try:
        if not path.exists():
            if not is_made:
                raise ConfigurationError(f"{path} is not there yet; the first `cms-service serve` makes it.")
            _make_secret_key(path)
        return parse_secret_key(path.read_text().strip())
    except OSError as error:
        raise ConfigurationError(
            f"CMS_DATA_DIR is {str(directory)!r}, where no secret key can be kept: {error.strerror}."
        ) from None
    except Unusable as error:
        raise ConfigurationError(f"{path} {error}; delete it, and another key is made.") from None


def _make_secret_key(path: Path) -> None:
    """There is a key; two first starts agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(_MINIMUM_KEY_BYTES) + "\n")
    try:
        path.hardlink_to(draft)  # A link appears whole or not at all.
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _decode(text: str) -> bytes:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    if text == text.lower() or text == text.upper():
        raise Unusable("is neither random base64 nor hex")
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        raise Unusable("is neither base64 nor hex") from None


def _is_predictable(key: bytes) -> bool:
    """Whether the bytes show a pattern that 32 random bytes show less than once in 10^12 keys."""
    steps = {(later - earlier) % 256 for earlier, later in pairwise(key)}
    has_few_values = len(set(key)) < _MINIMUM_KEY_BYTES / 2 or len(steps) < _MINIMUM_KEY_BYTES / 4
    is_text = key.isascii() and key.decode("ascii").isprintable()
    return has_few_values or _is_periodic(key) or is_text


def _is_periodic(text: str | bytes) -> bool:
    """Whether it is some part of itself, again and again."""
    # A text is found in its double before the end only where a shift leaves it as it is.
    return (text + text).find(text, 1) < len(text)  # type: ignore[operator,arg-type]
