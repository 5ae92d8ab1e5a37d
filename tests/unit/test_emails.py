import pytest

from cms_service.core.exceptions import ValidationFailed
from cms_service.core.security import (
    canonical_email,
    email_violations,
    sought_email,
    sought_email_violations,
    stored_email,
)


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


LOOK_ALIKES = [
    pytest.param("test\u043e@example.org", id="Cyrillic o among Latin letters"),
    pytest.param("test\u0131@example.org", id="dotless i"),
    pytest.param("\u0441\u043e\u0441\u043e@example.org", id="Cyrillic only, all like Latin"),
    pytest.param("\u0561\u0578@example.org", id="Armenian only, all like Latin"),
    pytest.param("p\u03b1ul@example.org", id="Greek alpha among Latin letters"),
    pytest.param("\u043f\u03b1\u0440@example.org", id="Greek among Cyrillic letters"),
    pytest.param("ada\u0663@example.org", id="Arabic digit among Latin letters"),
    pytest.param("ada\u07c1@example.org", id="digit of N'Ko among Latin letters"),
    pytest.param("ad\u2010a@example.org", id="hyphen that is not the one of ASCII"),
    pytest.param("ada\u2800@example.org", id="Braille blank"),
    pytest.param("kj\u00e6r@example.org", id="ae as one letter"),
    pytest.param("ada@ex\u0430mple.org", id="Cyrillic a in a label"),
    pytest.param("ada@\u0441\u043e\u0441\u043e.org", id="Cyrillic label, all like Latin"),
    pytest.param("ada@xn--n1aag8f.org", id="the same label in ASCII"),
    pytest.param("ada@example.\u043erg", id="Cyrillic o in the last label"),
    pytest.param("ada@\u0441\u043e\u0441\u043e.\u0441\u0440\u0431", id="Cyrillic domain, all like Latin"),
    pytest.param("ada@example.\u0441\u0440\u0431", id="whole domain like Latin"),
]


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_address_is_refused_when_it_looks_like_another(email: str) -> None:
    assert refusal_of(email) == ("/member", "ambiguous_characters")
    assert refusal_of(email.capitalize()) == ("/member", "ambiguous_characters")
    assert [violation.code for violation in email_violations(email, "/email")] == ["ambiguous_characters"]


@pytest.mark.parametrize("email", LOOK_ALIKES)
def test_address_is_still_found_when_it_is_older_than_the_rule_on_look_alikes(email: str) -> None:
    assert sought_email(email) == stored_email(email) == sought_email(email.capitalize())
    assert sought_email(email).partition("@")[0] == email.partition("@")[0]
    assert sought_email_violations(email, "/email") == []


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("ada\u115f@example.org", id="Hangul filler"),
        pytest.param("ada\ufe0f@example.org", id="variation selector"),
        pytest.param("\u0438\u0432\u0430\u043d\u034f@example.org", id="joiner of graphemes"),
        pytest.param("ada@exa\u115fmple.org", id="in the domain, which drops it"),
        pytest.param("ada@ex\ufe0fample.org", id="variation selector in the domain"),
    ],
)
def test_address_is_refused_when_a_character_is_not_displayed(email: str) -> None:
    assert refusal_of(email) == ("/member", "ambiguous_characters")


@pytest.mark.parametrize(
    "email",
    [
        "m\u00fcller@example.org",
        "\u0142ukasz@example.org",
        "\u0111or\u0111e@example.org",
        "nguy\u1ec5n@example.org",
        "\u0438\u0432\u0430\u043d@\u043f\u043e\u0447\u0442\u0430.\u0440\u0444",
        "\u0438\u0432\u0430\u043d@\u043f\u0440\u0438\u043c\u0435\u0440.\u0441\u0440\u0431",
        "\u0438\u0432\u0430\u043d.2@example.org",
        "\u03b4\u03bf\u03ba\u03b9\u03bc\u03ae@example.org",
        "\u7530\u4e2dtaro@\u4f8b\u3048.jp",
        "\u3055\u304f\u3089\u30a2\u30a4@example.org",
        "\ud55c\uad6dkim@example.org",
        "\u7530\u3105a@example.org",
        "\u0634\u0647\u0627\u0628@example.org",
        "\u05e2\u05d1\u05e8\u05d9\u05ea@example.org",
        "\u0928\u092e\u0938\u094d\u0924\u0947@\u0909\u0926\u093e\u0939\u0930\u0923.\u092d\u093e\u0930\u0924",
        "ada@\u043f\u0440\u0438\u043c\u0435\u0440.org",
    ],
)
def test_address_is_accepted_when_it_is_written_in_one_script(email: str) -> None:
    assert canonical_email(email) == email


@pytest.mark.parametrize(
    "email", ["\u00df@example.org", "ada@fa\u00df.de", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.org"]
)
def test_address_is_refused_when_folding_its_case_makes_another_one(email: str) -> None:
    assert [violation.code for violation in email_violations(email, "/email")] == ["ambiguous_characters"]
