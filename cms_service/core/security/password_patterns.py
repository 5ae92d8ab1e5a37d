"""What makes a password easy to guess, found in time that grows with its length and no faster."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from unicodedata import category, normalize

from cms_service.core.security.common_words import LONGEST_WORD, SHORTEST_WORD, CommonWords

ENOUGH_CHARACTERS = 8
"""As many unpredictable characters make a password acceptable, whatever stands beside them."""
MOST_WORDS = 2
"""Three words are a passphrase."""
FEW_DISTINCT_CHARACTERS = 4

_MOST_EXPANSION = 2
_SHORTEST_RUN = 3
_KEYBOARD_RUNS = (
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujm",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
)
_SAME, _NEXT, _PREVIOUS = 1, 2, 4
_SUBSTITUTIONS = tuple(str.maketrans("034578@$+1!|", f"oeastbast{one * 3}") for one in "li")
_SEPARATORS = re.compile(r"[\s\-_.,:;/\\'\"*~#&]+")
_SIGNS_AT_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def folded(text: str) -> str:
    """`text` for comparing, never for storing: without case, accents, compatibility forms and kinds of space."""
    decomposed = normalize("NFKD", normalize("NFKD", text).casefold())
    plain = normalize("NFC", "".join(character for character in decomposed if category(character) not in {"Mn", "Cf"}))
    if len(plain) > _MOST_EXPANSION * len(text):  # Some ligatures stand for whole sentences.
        plain = text.casefold()
    return re.sub(r"\s", " ", plain)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of names and addresses, folded: `ada.l1815@example.org` has ada, l1815, example and org."""
    parts = (part for text in texts for part in re.findall(r"[^\W_]+", folded(text)))
    words = (word for part in parts for word in (part, *re.findall(r"[^\W\d_]+", part)))
    return frozenset(word for word in words if len(word) >= SHORTEST_WORD)


def is_repetitive(text: str, enough: int) -> bool:
    """Whether the folded `text` has few distinct characters, or is mostly one character or unit again and again.

    The unit, with what stands before and after its repetitions, has fewer than `enough` characters.
    """
    core = _SIGNS_AT_ENDS.sub("", text)
    parts = (text, core) if len(core) >= ENOUGH_CHARACTERS else (text,)
    return (
        len(set(text)) <= max(1, min(FEW_DISTINCT_CHARACTERS, len(text) // 4))
        or any(_repeats_unit(part, enough - (len(text) - len(part))) for part in parts)
        or (_is_foreseeable(text) and sum(previous == here for previous, here in pairwise(text)) * 2 >= len(text))
    )


def is_sequence(text: str) -> bool:
    """Whether the folded `text` mostly follows an alphabet, the digits or the keys of a keyboard."""
    foreseen = zip(_weights(text)[1:], pairwise(text), strict=True) if _is_foreseeable(text) else ()
    return any(not weight and " " != here != previous for weight, (previous, here) in foreseen)


def count_common_words(text: str, words: CommonWords) -> int | None:
    """The fewest words, 1 or 2, that make up the folded `text`, simple substitutions undone; None if they do not.

    Fewer than `ENOUGH_CHARACTERS` digits and signs may stand beside them.
    """
    if text in words:
        return 1
    counts = [count for base, form in _forms(text) if (count := _count_words(base, form, words)) is not None]
    return min(counts, default=None)


def is_made_of(own_words: Collection[str], text: str, words: CommonWords) -> bool:
    """Whether what `own_words` leave of the folded `text` would be no password by itself."""
    longest_first = sorted(own_words, key=len, reverse=True)
    for _, form in _forms(text):
        rest = form
        for word in longest_first:
            rest = rest.replace(word, " ")
        if rest == form:
            continue
        rest = _SEPARATORS.sub(" ", rest).strip()
        if sum(_weights(rest)) < ENOUGH_CHARACTERS or count_common_words(rest, words) is not None:
            return True
    return False


def _forms(text: str) -> Iterator[tuple[str, str]]:
    """`text` with and without separators; each beside what it means when signs stand for letters.

    Of a run of digits or signs only the beginning is left, because the rest adds nothing.
    """
    shortened = "".join(
        character
        for character, weight in zip(text, _weights(text), strict=True)
        if weight or character == " " or character.isalpha()
    )
    shortened = re.sub(" +", " ", shortened)
    for base in dict.fromkeys((shortened, _SEPARATORS.sub("", shortened))):
        # Numbers are no words, though signs could stand for all of their digits.
        tables = _SUBSTITUTIONS if any(map(str.isalpha, base)) else ()
        for form in dict.fromkeys((base, *(base.translate(table) for table in tables))):
            yield base, form


def _count_words(base: str, form: str, words: CommonWords) -> int | None:
    length = len(base)
    reached = {0: 0}  # The fewest digits and signs on the way to a position.
    for count in range(MOST_WORDS + 1):
        beyond: dict[int, int] = {}
        for position in range(length):
            others = reached.get(position)
            if others is None:
                continue
            if not base[position].isalpha():
                skipped = others + (base[position] != " ")
                if skipped < ENOUGH_CHARACTERS:
                    _keep_least(reached, position + 1, skipped)
            if count < MOST_WORDS:
                for end in range(position + SHORTEST_WORD, min(position + LONGEST_WORD, length) + 1):
                    if form[position:end] in words:
                        _keep_least(beyond, end, others)
        if count and length in reached:
            return count
        reached = beyond
    return None


def _keep_least(costs: dict[int, int], key: int, cost: int) -> None:
    costs[key] = min(cost, costs.get(key, cost))


def _is_foreseeable(text: str) -> bool:
    weights = _weights(text)
    return sum(weights) < ENOUGH_CHARACTERS and weights.count(0) * 2 >= len(text) > _SHORTEST_RUN


def _weights(text: str) -> list[int]:
    """1 for each character; 0 for a space, and for each that carries on a run of three and more."""
    steps = [_step(pair) for pair in pairwise(text)]
    weights = [int(character != " ") for character in text]
    start = 0
    while start < len(steps):
        direction, end = steps[start], start + 1
        while end < len(steps) and direction & steps[end]:
            direction &= steps[end]
            end += 1
        if direction and end + 1 - start >= _SHORTEST_RUN:
            weights[start + 1 : end + 1] = [0] * (end - start)
            start = end + 1
        else:
            start += 1
    return weights


def _step(pair: tuple[str, str]) -> int:
    """The directions in which one character follows the other, as bits."""
    distance = ord(pair[1]) - ord(pair[0])
    return _KEYBOARD_STEPS.get("".join(pair), 0) | {0: _SAME, 1: _NEXT, -1: _PREVIOUS}.get(distance, 0)


def _keyboard_steps() -> dict[str, int]:
    steps: dict[str, int] = {}
    for number, run in enumerate((*_KEYBOARD_RUNS, *(run[::-1] for run in _KEYBOARD_RUNS))):
        for first, second in pairwise(run):
            steps[first + second] = steps.get(first + second, 0) | (_PREVIOUS << number + 1)
    return steps


_KEYBOARD_STEPS = _keyboard_steps()


def _repeats_unit(text: str, enough: int) -> bool:
    """Whether `text` is one unit of fewer than `enough` characters twice or more, the last time perhaps in part."""
    return any(text[size:] == text[:-size] for size in range(1, min(enough - 1, len(text) // 2) + 1))
