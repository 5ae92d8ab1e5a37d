import pytest

from cms_service.core.security.look_alikes import has_ignorable, is_mixed, looks_like_ascii


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("", False),
        ("ada-1", False),
        ("\u00e5sa", False),
        ("a\u0430", True),
        ("a\u0301", False),
        ("1\u0430", False),
        ("\u0430\u03b1", True),
        ("a\u4e2d\u3042\u30a2", False),
        ("a\u4e2d\u3105", False),
        ("a\u4e2d\uac00", False),
        ("\u3042\u3105", True),
        ("\u3042\uac00", True),
        ("\u0430\u4e2d", True),
        # The mark that lengthens a vowel is common to both Japanese syllabaries, and to nothing else.
        ("\u3042\u30fc", False),
        ("\u0430\u30fc", True),
        # Digits of Arabic belong to three scripts, of which Arabic letters belong to one.
        ("\u0633\u0663", False),
        ("a\u0663", True),
        # The last code point is in no script, and in that of no neighbour.
        ("\U0010ffff", False),
        ("a\U0010ffff", True),
    ],
)
def test_scripts_are_mixed_when_they_are_not_written_together(text: str, is_it: bool) -> None:
    assert is_mixed(text) is is_it


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("", False),
        ("ada", False),
        ("\u0131", True),
        ("d\u0131d", True),
        ("\u0441\u043e\u0440", True),
        ("\u0441\u043e\u0436", False),
        ("\u0456\u0456", True),
        ("\u00e9", False),
        ("\u0142", False),
        ("\u4e2d", False),
        ("\U0010ffff", False),
    ],
)
def test_text_looks_like_ascii_when_all_of_it_does(text: str, is_it: bool) -> None:
    assert looks_like_ascii(text) is is_it


@pytest.mark.parametrize(
    ("text", "is_it"),
    [("ada", False), ("\u00e5", False), ("a\u200b", True), ("\u3164", True), ("\ufe0f", True), ("\U000e0fff", True)],
)
def test_character_is_ignorable_when_it_is_not_displayed(text: str, is_it: bool) -> None:
    assert has_ignorable(text) is is_it
