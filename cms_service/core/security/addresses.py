"""One canonical form for each IP address."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from cms_service.core.exceptions import Violation


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """The address that `text` names in any spelling; `str` of it is the form in which it is stored and compared.

    An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the IPv4 address. A zone (RFC 4007 §11) is dropped, since it only
    means something on the machine that wrote it.

    Raises:
        ValueError: it is not an IP address.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def address_violations(text: str, pointer: str) -> list[Violation]:
    """Why `text` is not an IP address; empty for one."""
    try:
        parse_address(text)
    except ValueError:
        return [Violation(pointer, "not_an_ip_address", "This is not an IP address.")]
    return []
