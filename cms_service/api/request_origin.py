"""Reads where a request came from, trusting only the proxies that the operator named."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import getrandbits
from typing import Any, TypeAlias

from litestar.connection import ASGIConnection
from litestar.types import HTTPScope, Scope

from cms_service.api.header_fields import values_of
from cms_service.core.security import RequestOrigin, parse_address

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

USER_AGENT_LENGTH = 512
_STATE_KEY = "origin"
_FIELDS = {b"x-request-id", b"user-agent", b"x-forwarded-for"}
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]*)?")
_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]*")


def origin_of(connection: ASGIConnection[Any, Any, Any, Any]) -> RequestOrigin:
    """The origin that the envelope has put on the connection."""
    return origin_in(connection.scope)


def origin_in(scope: Scope) -> RequestOrigin:
    """The origin that the envelope has put in the scope."""
    origin: RequestOrigin = scope["state"][_STATE_KEY]
    return origin


def put_origin(scope: HTTPScope, trusted_proxies: Networks) -> None:
    """Put the origin of a request into its state."""
    last = {name: value for name, value in scope["headers"] if name in _FIELDS}
    request_id = last.get(b"x-request-id", b"")
    user_agent = last.get(b"user-agent")
    peer = scope["client"][0] if scope["client"] else ""
    hops = _hops_of(scope) if b"x-forwarded-for" in last else []
    scope["state"][_STATE_KEY] = RequestOrigin(
        request_id=request_id.decode() if _SANE_REQUEST_ID.fullmatch(request_id) else _draw_request_id(),
        ip=_text_of(client_address(peer, hops, trusted_proxies)),
        user_agent=None if user_agent is None else _clean(user_agent),
    )


def _hops_of(scope: HTTPScope) -> list[str]:
    return [hop for value in values_of(scope, b"x-forwarded-for") for hop in value.decode("latin-1").split(",")]


def client_address(peer: str, forwarded_for: Sequence[str], trusted_proxies: Networks) -> Address | None:
    """The nearest address that is not a trusted proxy's: whatever stands further left, the client may have made up."""
    address = _parse(peer)
    for hop in reversed(forwarded_for):
        if address is None or not any(address in network for network in trusted_proxies):
            break
        next_address = _parse(hop)
        if next_address is None:
            break
        address = next_address
    return address


def _draw_request_id() -> str:
    # No secret. To ask the kernel for each would give up the interpreter, which then has to be won back.
    return f"{getrandbits(128):032x}"


@lru_cache(1024)
def _clean(user_agent: bytes) -> str:
    return _CONTROL_CHARACTERS.sub("", user_agent.decode("latin-1"))[:USER_AGENT_LENGTH]


@lru_cache(1024)
def _text_of(address: Address | None) -> str | None:
    return None if address is None else str(address)


@lru_cache(1024)
def _parse(hop: str) -> Address | None:
    hop = hop.strip()
    if match := _BRACKETED.fullmatch(hop) or _IPV4_AND_PORT.fullmatch(hop):
        hop = match[1]
    try:
        return parse_address(hop)
    except ValueError:
        return None
