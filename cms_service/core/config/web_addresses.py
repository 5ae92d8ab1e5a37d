"""The addresses of web servers in the settings."""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from cms_service.core.config.variables import Parser, split_list

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_HOST_CHARACTERS = 253
_HOST_NAME = re.compile(r"(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.?")
_NUMBER_AT_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")
"""Clients take a host that ends so for an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")
"""Without escapes, empty segments and dot segments: proxies and clients do not agree on these."""


def web_url() -> Parser:
    """Accept an address below which the service is published; return it without a slash at the end."""

    def parse(text: str) -> str:
        address = split_web_address(text)
        if "?" in text or "#" in text or not _PATH.fullmatch(address.path):
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
    host = _host_of(address)
    port = "" if address.port is None else f":{address.port}"
    # Else the host or the port is spelled in another way than clients spell it.
    is_canonical = address.netloc.lower() == f"{host}{port}" and address.port != 0
    if address.scheme not in _DEFAULT_PORTS or not is_canonical:
        raise ValueError
    return address


def _host_of(address: SplitResult) -> str:
    """Return the host as clients spell it. Raises ValueError where there can be none of this name."""
    host = address.hostname or ""
    if "[" in address.netloc:
        if "%" in host:  # A zone means something on one machine only.
            raise ValueError
        return f"[{IPv6Address(host)}]"
    if _NUMBER_AT_END.search(host):
        return str(IPv4Address(host))
    if len(host) > _MOST_HOST_CHARACTERS or not _HOST_NAME.fullmatch(host):
        raise ValueError
    return host
