"""The addresses of web servers in the settings."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from cms_service.core.config.variables import Parser, split_list

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_HOST_CHARACTERS = 253
_HOST_NAME = re.compile(r"(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.?")
_IPV4_LIKE = re.compile(r"[0-9.]+")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")
"""Without escapes, empty segments and dot segments: proxies and clients do not agree on these."""


def web_url() -> Parser:
    """Accept an address below which the service is published; return it without a slash at the end."""

    def parse(text: str) -> str:
        address = split_web_address(text)
        if address.query or address.fragment or not _PATH.fullmatch(address.path):
            raise ValueError
        return f"{address.scheme}://{address.netloc.lower()}{address.path.rstrip('/')}"

    return Parser("an http:// or https:// URL of ASCII characters without user, query, fragment and escapes", parse)


def web_origins() -> Parser:
    """Accept a list of origins in the only spelling in which browsers send them (RFC 6454, section 6.2)."""

    def parse_one(text: str) -> str:
        address = split_web_address(text)
        is_as_sent = text == f"{address.scheme}://{address.netloc.lower()}"
        if not is_as_sent or address.port == _DEFAULT_PORTS[address.scheme]:
            raise ValueError
        return text

    return Parser(
        "a comma-separated list of exact origins, as in https://editor.example.org; neither * nor null",
        lambda text: tuple(parse_one(origin) for origin in split_list(text)),
    )


def split_web_address(text: str) -> SplitResult:
    """Split an http:// or https:// URL.

    Raises:
        ValueError: it is none, its host or port cannot exist, or it holds a user, a password, a blank or a character
            that a URL cannot have.
    """
    if not re.fullmatch(r"[!-~]+", text):  # `urlsplit` drops some characters without a word.
        raise ValueError
    address = urlsplit(text)
    has_good_port = address.port != 0 and not address.netloc.endswith(":")
    if address.scheme not in _DEFAULT_PORTS or "@" in address.netloc or not has_good_port or not _is_host(address):
        raise ValueError
    return address


def _is_host(address: SplitResult) -> bool:
    host = address.hostname or ""
    try:
        if "[" in address.netloc:
            return bool(IPv6Address(host))
        if _IPV4_LIKE.fullmatch(host):
            return bool(IPv4Address(host))
    except AddressValueError:
        return False
    return len(host) <= _MOST_HOST_CHARACTERS and _HOST_NAME.fullmatch(host) is not None
