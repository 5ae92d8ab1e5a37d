"""Names, titles and other text that is shown to people, who must not be misled by it."""

import re
from unicodedata import category

from cms_service.core.exceptions import Violation
from cms_service.core.security.look_alikes import has_ignorable

_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Controls, line breaks, and what embeds, overrides or isolates a direction of writing."""
_FORMLESS = frozenset("\u2800\ufffc\U00013441\U00013442\U0001d159")
"""Displayed as a gap: blanks of Braille and hieroglyphs, a musical note without a head, the place of an object."""
_ZERO_WIDTH = frozenset("\u00ad\u180e\u200b\u2060\ufeff")
_DISPLAYED = frozenset("LNPS")
"""Major categories of what is displayed by itself: letters, numbers, punctuation and symbols."""


def shown_text_violations(text: str, pointer: str) -> list[Violation]:
    """Why `text` may not be shown to people; empty where it may. An empty text says nothing, and may."""
    if _STEERING.search(text):
        detail = "Control characters, line breaks and characters that change the direction of text are not allowed."
        return [Violation(pointer, "control_character", detail)]
    if text and not any(map(_is_visible, text)):
        return [Violation(pointer, "nothing_visible", "It has no visible character.")]
    if text and (_is_blank(text[0]) or _is_blank(text[-1])):
        return [Violation(pointer, "surrounding_blanks", "It begins or ends with a blank.")]
    return []


def _is_visible(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and character != " "
    kind = category(character)
    # A character that Python does not know yet may be a new letter.
    may_be_visible = kind[0] in _DISPLAYED or kind == "Cn"
    return may_be_visible and character not in _FORMLESS and not has_ignorable(character)


def _is_blank(character: str) -> bool:
    """Joiners, marks of direction and variation selectors are none: they belong to the character beside them."""
    if character.isspace() or character in _ZERO_WIDTH or character in _FORMLESS:
        return True
    return category(character) == "Lo" and has_ignorable(character)
