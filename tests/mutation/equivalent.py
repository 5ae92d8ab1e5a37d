"""Reads `equivalent.txt`: mutants that no test can tell from the original."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.mutation.mutants import Mutant

FILE = Path(__file__).with_name("equivalent.txt")
SEPARATOR = " | "


class Entry(msgspec.Struct, frozen=True):
    """A line of the file."""

    pattern: str
    """An id, in which `*` stands for any text."""
    reason: str

    def matches(self, mutant: Mutant) -> bool:
        return matches(self.pattern, mutant.id)


def matches(pattern: str, mutant_id: str) -> bool:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    return re.fullmatch(expression, mutant_id) is not None


def parse(text: str) -> list[Entry]:
    """Raises ValueError for a line without a reason."""
    entries = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            # The text of a mutant may contain the separator, a reason does not.
            pattern, separator, reason = line.rpartition(SEPARATOR)
            if not (separator and reason.strip()):
                raise ValueError(f"no reason is given: {line}")
            entries.append(Entry(pattern.strip(), reason.strip()))
    return entries


def stale(entries: Iterable[Entry], mutants: Sequence[Mutant]) -> list[Entry]:
    """Return the entries that match no mutant: the code has changed, and so may have the judgement."""
    return [entry for entry in entries if not any(map(entry.matches, mutants))]


def equivalent(entries: Iterable[Entry], mutant: Mutant) -> Entry | None:
    return next((entry for entry in entries if entry.matches(mutant)), None)
