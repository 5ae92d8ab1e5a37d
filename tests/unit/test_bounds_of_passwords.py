"""Where a password begins to be easy to guess: at each bound of the patterns, and just beside it."""

import sys

import pytest

from cms_service.core.security import CommonWords
from cms_service.core.security.common_words import _load, common_words
from cms_service.core.security.password_patterns import (
    count_common_words,
    folded,
    is_made_of,
    is_repetitive,
    is_sequence,
    words_of,
)

LONGEST_WORD = "qwmkzjvbhxplrtndgcfysoe"
TOO_LONG_WORD = f"{LONGEST_WORD}u"
WORDS = CommonWords(["ox", "owl", "fox", "zor", "zoro", LONGEST_WORD, TOO_LONG_WORD])
NO_WORDS = CommonWords([])
MIN_CHARACTERS = 15
load_afresh = _load.__wrapped__
"""Not what is kept from an earlier call."""
HARD = "kq7vmw4h"
"""No character follows from the one before."""
DIGITS = "83619502"


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        pytest.param("k", True, id="1 character"),
        pytest.param("kq", False, id="2 characters"),
        pytest.param("kqvqkkvqvvkqkqv", True, id="3 of 15 are distinct"),
        pytest.param("kqvqkkvqvvkqkq7", False, id="4 of 15 are distinct"),
        pytest.param("kqv7qk7vvk7qkv7q", True, id="4 of 16 are distinct"),
        pytest.param("kqv7qk7vvk7qkv7m", False, id="5 of 16 are distinct"),
        pytest.param("kqv7qk7vvk7qkv7mqmkv", False, id="5 of 20 are distinct"),
    ],
)
def test_characters_are_few_when_a_quarter_or_four_of_them_are_distinct(text: str, is_refused: bool) -> None:
    assert is_repetitive(text, MIN_CHARACTERS) == is_refused


@pytest.mark.parametrize(
    ("text", "enough", "is_refused"),
    [
        pytest.param(HARD * 2, 9, True, id="8 characters twice, 9 are enough"),
        pytest.param(HARD * 2, 8, False, id="8 characters twice, 8 are enough"),
        pytest.param(HARD, 9, False, id="8 characters once"),
        pytest.param(HARD + HARD[:7], 9, False, id="8 characters, not quite twice"),
        pytest.param("93pqvxpqvx5!", 9, True, id="4 characters twice, 4 beside them, 9 are enough"),
        pytest.param("936pqvxpqvx5!", 9, False, id="4 characters twice, 5 beside them, 9 are enough"),
        pytest.param("93pqvpqvp5!", 9, False, id="3 characters twice, 4 beside 7"),
        pytest.param("93pqvpqvpq5!", 9, True, id="3 characters twice, 4 beside 8"),
    ],
)
def test_unit_is_repeated_when_it_is_less_than_enough_with_what_stands_beside_it(
    text: str, enough: int, is_refused: bool
) -> None:
    assert is_repetitive(text, enough) == is_refused


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        pytest.param("kqzzz", False, id="2 of 5 repeat"),
        pytest.param("kqzzzz", True, id="3 of 6 repeat"),
        pytest.param("kabcdzzzz", False, id="3 of 9 repeat, and 3 follow the alphabet"),
        pytest.param(f"{HARD[:6]}{'z' * 8}", True, id="7 beside them count"),
        pytest.param(f"{HARD[:7]}{'z' * 9}", False, id="8 beside them count"),
    ],
)
def test_one_character_is_repeated_when_it_makes_up_half(text: str, is_refused: bool) -> None:
    assert is_repetitive(text, MIN_CHARACTERS) == is_refused


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        pytest.param("abc", False, id="3 characters"),
        pytest.param("abcd", True, id="4 characters"),
        pytest.param("7mab7mab", False, id="runs of 2"),
        pytest.param("abcmnovwx", True, id="runs of 3"),
        pytest.param("k7abc", False, id="2 of 5 follow"),
        pytest.param("k7abcd", True, id="3 of 6 follow"),
        pytest.param("abcba", False, id="a run begins where another ended"),
        pytest.param(f"{HARD[:6]}bcdefghi", True, id="7 beside them count"),
        pytest.param(f"{HARD[:7]}bcdefghij", False, id="8 beside them count"),
    ],
)
def test_sequence_is_one_when_half_of_it_follows_in_runs_of_three(text: str, is_refused: bool) -> None:
    assert is_sequence(text) == is_refused


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("owl", 1, id="one word"),
        pytest.param("owl7", 1, id="a word of 3 characters"),
        pytest.param("ox7", None, id="a word of 2 characters"),
        pytest.param(f"{LONGEST_WORD}7", 1, id="a word of 23 characters"),
        pytest.param(f"{TOO_LONG_WORD}7", None, id="a word of 24 characters"),
        pytest.param(DIGITS[:3], None, id="no word"),
        pytest.param("owlfox", 2, id="two words"),
        pytest.param("owlfoxowl", None, id="three words"),
        pytest.param(f"owl{DIGITS[:7]}", 1, id="7 digits beside a word"),
        pytest.param(f"owl{DIGITS}", None, id="8 digits beside a word"),
        pytest.param(f"owl{DIGITS[:3]}fox{DIGITS[:4]}", 2, id="7 digits beside two words"),
        pytest.param(f"owl{DIGITS[:4]}fox{DIGITS[:4]}", None, id="8 digits beside two words"),
        # The digit of the second word may count as one beside the first.
        pytest.param(f"zor0{DIGITS[:7]}", 1, id="7 digits beside the longer of two words"),
        pytest.param(f"zor0{DIGITS}", None, id="8 digits beside the longer of two words"),
    ],
)
def test_words_are_counted_when_little_stands_beside_them(text: str, count: int | None) -> None:
    assert count_common_words(text, WORDS) == count


@pytest.mark.parametrize(("beside", "is_refused"), [("", True), (HARD[:7], True), (HARD, False)])
def test_password_is_made_of_own_words_when_little_stands_beside_them(beside: str, is_refused: bool) -> None:
    assert is_made_of({"zyxnews"}, f"zyxnews{beside}", NO_WORDS) == is_refused


def test_own_word_has_three_characters() -> None:
    assert words_of(["ab", "abc", "a1.abcd"]) == {"abc", "abcd"}


def test_common_words_have_three_to_twenty_three_characters_and_numbers_six() -> None:
    words = common_words()
    known = ("the", "verwaltungsgemeinschaft", "123456", "1234567")
    unknown = ("of", "12345", "1234")
    assert [word in words for word in (*known, *unknown)] == [True] * len(known) + [False] * len(unknown)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\N{PARENTHESIZED DIGIT ONE}ab", "(1)ab", id="5 characters for 3"),
        pytest.param("\N{PARENTHESIZED DIGIT ONE}a", "(1)a", id="4 characters for 2"),
        pytest.param("\N{PARENTHESIZED DIGIT ONE}", "\N{PARENTHESIZED DIGIT ONE}", id="3 characters for 1"),
    ],
)
def test_text_is_folded_when_that_makes_it_no_more_than_twice_as_long(text: str, expected: str) -> None:
    assert folded(text) == expected


def test_package_with_the_lists_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxcvbn", None)

    with pytest.raises(ModuleNotFoundError) as error:
        load_afresh()

    assert error.value.name == "zxcvbn"
