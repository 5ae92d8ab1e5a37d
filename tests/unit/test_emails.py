import pytest

from cms_service.core.exceptions import ValidationFailed
from cms_service.core.security import canonical_email, email_violations, sought_email


def refusal_of(email: str) -> tuple[str, str]:
    with pytest.raises(ValidationFailed) as refusal:
        canonical_email(email, "/member")
    (violation,) = refusal.value.violations
    return violation.pointer, violation.code


@pytest.mark.parametrize(
    ("email", "canonical"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.Lovelace@EXAMPLE.org", "ada.lovelace@example.org"),
        ("ada+list@example.org", "ada+list@example.org"),
        ("ada@mail.example.test", "ada@mail.example.test"),
        pytest.param("ADA@EX\u00c4MPLE.de", "ada@ex\u00e4mple.de", id="international domain"),
        pytest.param("ada@xn--exmple-cua.de", "ada@ex\u00e4mple.de", id="the same domain in ASCII"),
        pytest.param("ÅSA@example.org", "\u00e5sa@example.org", id="international mailbox"),
    ],
)
def test_address_is_stored_in_one_form(email: str, canonical: str) -> None:
    assert canonical_email(email) == canonical
    assert canonical_email(canonical) == canonical
    assert sought_email(email) == canonical


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("\ufb01@example.org", id="ligature"),
        pytest.param("\uff41da@example.org", id="full-width letter"),
        pytest.param("\u212aelvin@example.org", id="Kelvin sign"),
        pytest.param("\u017fam@example.org", id="long s"),
        pytest.param("a\u0308da@example.org", id="decomposed letter"),
        pytest.param("ada@example\uff0eorg", id="full-width dot"),
        pytest.param("ada@\u24d4xample.org", id="circled letter in the domain"),
    ],
)
def test_address_is_refused_when_compatibility_forms_change_it(email: str) -> None:
    assert refusal_of(email) == ("/member", "ambiguous_characters")
    assert sought_email(email) == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@localhost",
        "ada@@example.org",
        "ada@exa_mple.org",
        "ada..l@example.org",
        "ada @example.org",
        " ada@example.org",
        "ada@example.org ",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org,eve@example.org",
        "Ada <ada@example.org>",
        '"ada lovelace"@example.org',
        "ada@[127.0.0.1]",
        "ada\u200d@example.org",
        "ada@example.org\x00",
        "ada@" + "x" * 64 + ".org",
        "ada@" + "x." * 125 + "org",
    ],
)
def test_text_is_refused_when_no_address(email: str) -> None:
    assert refusal_of(email) == ("/member", "not_an_email")
    assert sought_email(email) == email


@pytest.mark.parametrize(
    "email", ["\u00df@example.org", "ada@fa\u00df.de", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.org"]
)
def test_address_is_refused_when_folding_its_case_makes_another_one(email: str) -> None:
    assert [violation.code for violation in email_violations(email, "/email")] == ["ambiguous_characters"]
