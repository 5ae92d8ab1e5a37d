"""What people choose when they need a password: the words and passwords that a guesser tries first."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Lock

SHORTEST_WORD = 3
LONGEST_WORD = 23

_IS_WORD = re.compile(r".*[a-z]|[0-9]{6}", re.DOTALL)
"""Short numbers are no words: half of all long random numbers could be put together from them."""
_loading = Lock()


class CommonWords:
    """Words in eight bytes each. Their hashes are kept: 94,000 strings would take ten megabytes of every worker.

    One in 10^14 other words is taken for one of them.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._hashes = array("q", sorted(hash(word) for word in words))

    def __contains__(self, word: str) -> bool:
        hashed = hash(word)
        index = bisect_left(self._hashes, hashed)
        return index < len(self._hashes) and self._hashes[index] == hashed


def common_words() -> CommonWords:
    """Common passwords, English words and names. The first call takes tenths of a second: not on an event loop."""
    with _loading:
        return _load()


@cache
def _load() -> CommonWords:
    lists = _frequency_lists()
    return CommonWords(
        word
        for words in lists.values()
        for word in words
        if SHORTEST_WORD <= len(word) <= LONGEST_WORD and _IS_WORD.match(word)
    )


def _frequency_lists() -> dict[str, list[str]]:
    """The lists of the package zxcvbn, without the package: importing it costs memory, and its matcher is not used."""
    package = find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(name="zxcvbn")
    specification = spec_from_file_location("frequency_lists", Path(package.origin).with_name("frequency_lists.py"))
    assert specification, "there is one of every .py file"  # noqa: S101 - for the type checker
    assert specification.loader, "there is one of every .py file"  # noqa: S101 - for the type checker
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    lists: dict[str, list[str]] = module.FREQUENCY_LISTS
    return lists
