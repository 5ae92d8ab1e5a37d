"""Which passwords protect an account: NIST SP 800-63B-4 §3.1.1.2 and ASVS 5.0 V6.2, without a network."""

import asyncio
from collections.abc import Iterable, Iterator
from unicodedata import normalize

from cms_service.core.exceptions import Violation
from cms_service.core.security.common_words import common_words
from cms_service.core.security.password_patterns import (
    count_common_words,
    folded,
    is_made_of,
    is_repetitive,
    is_sequence,
    words_of,
)

LEAST_MIN_CHARACTERS = 8
"""No deployment accepts shorter passwords (NIST SP 800-63B-4 §3.1.1.2)."""
MAX_CHARACTERS = 128

_OWN_NAME = "cms-service"


class PasswordPolicy:
    """Length, and that a guesser would not come upon it soon. What a password is composed of is nobody's business."""

    def __init__(self, min_characters: int, platform_words: Iterable[str] = ()) -> None:
        self._min_characters = min_characters
        self._platform_words = words_of((_OWN_NAME, *platform_words))

    async def violations(self, password: str, pointer: str, own_words: Iterable[str] = ()) -> list[Violation]:
        """What `examine` finds, in a thread: the lists are read when the first password is examined."""
        return await asyncio.to_thread(self.examine, password, pointer, own_words)

    def examine(self, password: str, pointer: str, own_words: Iterable[str] = ()) -> list[Violation]:
        """Every way in which `password` is not acceptable; none is an acceptable one.

        `own_words` are texts about the user: the e-mail address, the name. Code points are counted, after NFC.
        """
        password = normalize("NFC", password)
        if len(password) > MAX_CHARACTERS:
            return [Violation(pointer, "too_long", f"A password has at most {MAX_CHARACTERS} characters.")]
        return [Violation(pointer, code, detail) for code, detail in self._reasons(password, own_words)]

    def _reasons(self, password: str, own_words: Iterable[str]) -> Iterator[tuple[str, str]]:
        if len(password) < self._min_characters:
            yield "too_short", f"A password has at least {self._min_characters} characters."
        text, words = folded(password), common_words()
        if is_repetitive(text, self._min_characters):
            yield "repetitive", "The password repeats itself."
        if is_sequence(text):
            yield "sequence", "The password follows the alphabet, the digits or the keys of a keyboard."
        match count_common_words(text, words):
            case 1:
                yield "common", "The password is a common password, word or name."
            case 2:
                yield "common_combination", "The password is put together from two common words; take more."
        if is_made_of(self._platform_words | words_of(own_words), text, words):
            yield "own_words", "The password is made of your name, your e-mail address or the name of this service."
