import pytest

from cms_service.core.security import address_violations, parse_address


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("::FFFF:c633:6407", "198.51.100.7"),
        ("0000:0000:0000:0000:0000:ffff:198.51.100.7", "198.51.100.7"),
        ("2001:DB8:0:0::00aB", "2001:db8::ab"),
        ("2001:0db8:0000:0000:0000:0000:0000:00ab", "2001:db8::ab"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
    ],
)
def test_address_has_one_form_however_it_is_spelled(text: str, canonical: str) -> None:
    assert str(parse_address(text)) == canonical
    assert str(parse_address(canonical)) == canonical
    assert address_violations(text, "query/ip") == []


@pytest.mark.parametrize(
    "text", ["localhost", "198.51.100.256", "198.51.100.007", "198.51.100", "198.51.100.0/24", "[::1]", "::1:", " ::1"]
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)
    (violation,) = address_violations(text, "query/ip")
    assert (violation.pointer, violation.code) == ("query/ip", "not_an_ip_address")
    assert text not in violation.detail
