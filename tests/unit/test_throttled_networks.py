"""Which addresses share one throttle."""

import pytest

from cms_service.services.sign_in_throttle import network_of


@pytest.mark.parametrize(
    "ip",
    [
        "192.0.2.33",
        "::ffff:192.0.2.33",  # RFC 4291, 2.5.5.2
        "::192.0.2.33",  # RFC 4291, 2.5.5.1
        "64:ff9b::192.0.2.33",  # RFC 6052, 2.1
        "2002:c000:221::1",  # RFC 3056, 2
        "2002:c000:221:ffff::2",
    ],
)
def test_every_spelling_of_an_ipv4_address_is_one_network(ip: str) -> None:
    assert network_of(ip) == "192.0.2.33"


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("64:ff9b:1::192.0.2.33", "64:ff9b:1::/64"),
        ("::1", "::/64"),
        ("::", "::/64"),
        (None, "None"),
    ],
)
def test_other_addresses_are_networks_of_their_own(ip: str | None, network: str) -> None:
    assert network_of(ip) == network
