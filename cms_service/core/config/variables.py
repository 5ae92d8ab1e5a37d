"""How the text of one environment variable becomes one value, or one clear refusal."""

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from cms_service.core.exceptions import ConfigurationError

_USER_IN_URL = re.compile(r"//[^/@\s]*@")


class Unusable(ValueError):
    """The text cannot be used, for a reason that is worth saying. The reason never repeats the text."""


class Parser(msgspec.Struct, frozen=True):
    """Reads one kind of value."""

    expected: str
    """What is accepted, as it completes the sentence "expected …"."""
    parse: Callable[[str], object]
    """Raises ValueError."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one environment variable: parsing, `.env.example` and the reference follow from it."""

    parser: Parser
    description: str
    default: str | None = None
    """As it would be written in the environment."""
    development_default: str | None = None
    """Takes the place of `default` in development."""
    computed_default: str | None = None
    """Says in words what stands in when there is neither text nor default; `load_settings` computes it."""
    example: str | None = None
    name: str | None = None
    """Where it is not `CMS_` and the name of the field."""
    is_secret: bool = False
    is_required_in_production: bool = False

    def read(self, name: str, text: str) -> object:
        """Return the value, or raise ConfigurationError; a secret's text is in no message, nor is one within a URL."""
        try:
            return self.parser.parse(text)
        except Unusable as error:
            reason = str(error)
        except ValueError:
            shown = _USER_IN_URL.sub("//…@", text)
            reason = "cannot be read" if self.is_secret else f"is {shown!r}"
        raise ConfigurationError(f"{name} {reason}; expected {self.parser.expected}.")


def directory() -> Parser:
    return Parser("the path of a directory", lambda text: Path(text).expanduser().absolute())


def one_of(kind: type[StrEnum]) -> Parser:
    members = {member.lower(): member for member in kind}

    def parse(text: str) -> StrEnum:
        if text.lower() not in members:
            raise ValueError
        return members[text.lower()]

    return Parser(" or ".join(kind), parse)


def whole_number(lowest: int, highest: int) -> Parser:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not lowest <= int(text) <= highest:
            raise ValueError
        return int(text)

    return Parser(f"a whole number from {lowest} to {highest}", parse)


def seconds(lowest: float, highest: float) -> Parser:
    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not lowest <= float(text) <= highest:
            raise ValueError
        return float(text)

    return Parser(f"seconds from {lowest:g} to {highest:g}", parse)


def ip_address() -> Parser:
    def parse(text: str) -> str:
        return str(ipaddress.ip_address("127.0.0.1" if text == "localhost" else text))

    return Parser("an IP address", parse)


def email_address() -> Parser:
    def parse(text: str) -> str:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
            raise ValueError
        return text

    return Parser("an e-mail address", parse)


def ip_networks() -> Parser:
    return Parser(
        "a comma-separated list of IP addresses or networks, as in 10.0.0.0/8",
        lambda text: tuple(ipaddress.ip_network(network) for network in split_list(text)),
    )


def words() -> Parser:
    return Parser("a comma-separated list of words", lambda text: tuple(split_list(text)))


def split_list(text: str) -> list[str]:
    """Split at commas; blanks around a part and empty parts do not count."""
    return [part.strip() for part in text.split(",") if part.strip()]
