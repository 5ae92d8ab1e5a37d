import pytest

from cms_service.core.security import identifier_violations, shown_text_violations


def codes_of(text: str) -> list[str]:
    violations = shown_text_violations(text, "/name")
    assert {violation.pointer for violation in violations} <= {"/name"}
    return [violation.code for violation in violations]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada Lovelace",
        "-",
        "#1",
        "O'Neill-\u00c5str\u00f6m",
        "\u4e2d",
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "\u0915\u094d\u200d\u0937",
        "\U0001f469\u200d\U0001f4bb",
        "\u2764\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "\u05d0\u200f",
        "\u0e2a\u0e27\u0e31\u0e2a\u200b\u0e14\u0e35",
        "e\u0301",
        # Assigned later than the Unicode of the oldest Python.
        "\U0001fae8",
    ],
)
def test_text_is_accepted_when_people_can_read_it(text: str) -> None:
    assert codes_of(text) == []


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "   ",
        "\u00a0",
        "\u1680",
        "\u2003",
        "\u3000",
        "\u200b",
        "\u2060",
        "\ufeff",
        "\u00ad",
        "\u034f",
        "\u115f",
        "\u1160",
        "\u3164",
        "\uffa0",
        "\u17b4",
        "\u180e",
        "\u2800",
        "\ufffc",
        "\U0001d159",
        "\U00013441",
        "\ufe0f",
        "\U000e0100",
        "\U000e0061",
        "\u200c\u200d",
        "\u200e",
        "\u0301",
        "\ue000",
        " \u3164 \u2800",
    ],
)
def test_text_is_refused_when_nothing_of_it_is_visible(text: str) -> None:
    assert codes_of(text) == ["nothing_visible"]


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u3000", "\u200b", "\u2800", "\u00ad"])
def test_text_is_refused_when_it_begins_or_ends_with_a_blank(blank: str) -> None:
    assert codes_of(f"{blank}Ada") == codes_of(f"Ada{blank}") == ["surrounding_blanks"]
    assert codes_of(f"Ada{blank}Lovelace") == []
    for hidden in ("\u200d", "\u200e", "\ufe0f", "\u034f"):
        assert codes_of(f"{hidden}{blank}Ada") == codes_of(f"Ada{blank}{hidden}{hidden}") == ["surrounding_blanks"]


@pytest.mark.parametrize(
    "hidden",
    [
        *("\u115f", "\u1160", "\u17b4", "\u180e", "\u2060", "\u206e", "\u3164", "\ufeff", "\uffa0", "\ufff0", "\ufff9"),
        *("\U0001d173", "\U000e0001", "\U000e0041", "\U000e0041\U000e007f", "\U000e0fff"),
    ],
)
def test_text_is_refused_when_something_is_hidden_in_it(hidden: str) -> None:
    for text in (f"Ada{hidden}Lovelace", f"{hidden}Ada", f"Ada{hidden}"):
        assert codes_of(text) == ["control_character"]


@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ("hr-1815", True),
        ("Åse 7", True),
        ("hr-1\u200d", False),
        ("hr\u200c-1", False),
        ("hr-1\u3164", False),
        (" ", False),
    ],
)
def test_identifier_is_refused_when_it_differs_invisibly_from_another(text: str, is_accepted: bool) -> None:
    assert (identifier_violations(text, "/external_id") == []) is is_accepted


@pytest.mark.parametrize(
    "character",
    [*"\x00\t\n\r\x1b\x7f\x85\u2028\u2029", *"\u202a\u202b\u202c\u202d\u202e", *"\u2066\u2067\u2068\u2069"],
)
def test_text_is_refused_when_it_breaks_lines_or_changes_direction(character: str) -> None:
    assert codes_of(f"Ada{character}Lovelace") == ["control_character"]
    assert codes_of(character) == ["control_character"]
