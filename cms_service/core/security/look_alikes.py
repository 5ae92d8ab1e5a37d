"""Whether text looks like other text to people, by the rules of Unicode (https://www.unicode.org/reports/tr39/).

No library on PyPI offers this at little cost: confusable-homoglyphs knows no script extensions, is of 2024 and takes
18 MB when imported; regex (11 MB) and fonttools (7 MB) know the scripts, but nothing of confusable characters; PyICU
knows all and has to be compiled. So the few properties that decide stand condensed in `characters`, 15 KB in size. They
are unpacked when the first address comes that is not ASCII.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

from cms_service.core.security.characters import IGNORABLE, LIKE_ASCII, SCRIPTS

_ASCII_SCRIPTS = "=Latn 41-5A 61-7A =Zyyy 0-40 5B-60 7B-7F"
_ANYWHERE = {"Zyyy", "Zinh"}
"""Common, such as digits, and inherited, such as accents: of the script of the characters beside them."""
_MAY_BE_MIXED = (
    {"Latn", "Hani", "Hira", "Kana"},
    {"Latn", "Hani", "Bopo"},
    {"Latn", "Hani", "Hang"},
)
"""The scripts of Japanese, Chinese and Korean beside Latin, which UTS 39 calls highly restrictive."""


class _Ranges:
    """Ranges of code points, each with a number."""

    def __init__(self, ranges: Iterator[tuple[int, int, int]]) -> None:
        ordered = sorted(ranges)
        self._first = array("I", (first for first, _, _ in ordered))
        self._last = array("I", (last for _, last, _ in ordered))
        self._number = array("I", (number for _, _, number in ordered))

    def find(self, character: str) -> int | None:
        """The number of the range that the character is in."""
        point = ord(character)
        index = bisect_right(self._first, point) - 1
        return self._number[index] if index >= 0 and point <= self._last[index] else None


def is_mixed(text: str) -> bool:
    """Whether it holds letters of scripts that are not written together, such as Latin and Cyrillic."""
    found = {scripts for scripts in map(_scripts_of, text) if not scripts & _ANYWHERE}
    if not found or frozenset.intersection(*found):
        return False
    return not any(all(scripts & mixture for scripts in found) for mixture in _MAY_BE_MIXED)


def looks_like_ascii(text: str) -> bool:
    """Whether it is not ASCII, and all of it looks like ASCII, such as a dotless i or Cyrillic letters."""
    if text.isascii():
        return False
    like_ascii = _ranges(LIKE_ASCII)
    return all(character.isascii() or like_ascii.find(character) is not None for character in text)


def has_ignorable(text: str) -> bool:
    """Whether it holds characters that are not displayed."""
    ignorable = _ranges(IGNORABLE)
    return any(ignorable.find(character) is not None for character in text)


def _scripts_of(character: str) -> frozenset[str]:
    sets, ranges = _scripts()
    number = ranges.find(character)
    return frozenset({"Zzzz"}) if number is None else sets[number]


@cache
def _scripts() -> tuple[list[frozenset[str]], _Ranges]:
    """The sets of scripts, and the ranges with their places in that list."""
    parts = [part.split() for part in f"{_ASCII_SCRIPTS} {SCRIPTS}".split("=")[1:]]
    sets = [frozenset(names.split(",")) for names, *_ in parts]
    ranges = ((*_bounds(token), number) for number, (_, *tokens) in enumerate(parts) for token in tokens)
    return sets, _Ranges(ranges)


@cache
def _ranges(text: str) -> _Ranges:
    return _Ranges((*_bounds(token), 0) for token in text.split())


def _bounds(token: str) -> tuple[int, int]:
    first, _, last = token.partition("-")
    return int(first, 16), int(last or first, 16)
