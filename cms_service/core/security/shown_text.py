"""Names, titles and other text that is shown to people, who must not be misled by it."""

import re
from unicodedata import category

from cms_service.core.exceptions import Violation
from cms_service.core.security.look_alikes import has_ignorable

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Controls, line breaks, and what embeds, overrides or isolates a direction of writing."""
_HIDDEN = re.compile(
    "[\u115f\u1160\u17b4\u17b5\u180e\u2060\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]"
    "|[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
"""Not displayed, and part of no word and no emoji: fillers, annotations, and tags, which can hide whole sentences."""
_TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""The emoji of a region, such as Scotland: the one place where tags belong."""
_FORMLESS = frozenset("\u2800\ufffc\U00013441\U00013442\U0001d159")
"""Displayed as a gap: blanks of Braille and hieroglyphs, a musical note without a head, the place of an object."""
_ZERO_WIDTH = frozenset("\u00ad\u200b")
_DISPLAYED = frozenset("LNPS")
"""Major categories of what is displayed by itself: letters, numbers, punctuation and symbols."""


def shown_text_violations(text: str, pointer: str) -> list[Violation]:
    """Why `text` may not be shown to people; empty where it may. An empty text says nothing, and may."""
    if _STEERING.search(text):
        detail = "Control characters, line breaks and characters that change the direction of text are not allowed."
        return [Violation(pointer, "control_character", detail)]
    if text and not any(map(_is_visible, text)):
        return [Violation(pointer, "nothing_visible", "It has no visible character.")]
    if not text.isascii() and _HIDDEN.search(_TAGGED_FLAG.sub("", text)):
        return [Violation(pointer, "control_character", "Characters that are never displayed are not allowed.")]
    if text and any(map(_begins_with_blank, (text, text[::-1]))):
        return [Violation(pointer, "surrounding_blanks", "It begins or ends with a blank.")]
    return []


def identifier_violations(text: str, pointer: str) -> list[Violation]:
    """Why `text` may not tell people or things apart: it may not be shown, or differs from another one invisibly."""
    if found := shown_text_violations(text, pointer):
        return found
    if not text.isascii() and has_ignorable(text):
        return [Violation(pointer, "control_character", "Characters that are not displayed are not allowed.")]
    return []


def _begins_with_blank(text: str) -> bool:
    """Whether a blank comes first, or first after joiners and other characters that are not displayed."""
    first = next((character for character in text if _is_blank(character) or not has_ignorable(character)), "")
    return _is_blank(first)


def _is_visible(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and character != " "
    kind = category(character)
    # A character that Python does not know yet may be a new letter.
    may_be_visible = kind[0] in _DISPLAYED or kind == "Cn"
    return may_be_visible and character not in _FORMLESS and not has_ignorable(character)


def _is_blank(character: str) -> bool:
    """Joiners, marks of direction and variation selectors are none: they belong to the character beside them."""
    return character.isspace() or character in _ZERO_WIDTH or character in _FORMLESS
