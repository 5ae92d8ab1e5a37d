"""The results as text and Markdown."""

import difflib
from collections import Counter
from math import sqrt
from pathlib import Path

import msgspec

from tests.mutation.equivalent import Entry
from tests.mutation.mutants import Mutant
from tests.mutation.runner import Result, Verdict

LONGEST_LIST = 12
Z = 1.645
"""Of a normal distribution: 95 % lie below."""


class Report(msgspec.Struct):
    """The results so far."""

    title: str
    results: list[Result] = []
    equivalents: list[tuple[Mutant, Entry]] = []
    """Drawn, and left out."""
    flaky: dict[str, str] = {}
    """Tests that were left out."""

    @property
    def score(self) -> float | None:
        """How many of the mutants were killed; None where there is none to count."""
        return self.killed / self.counted if self.counted else None

    @property
    def killed(self) -> int:
        return sum(result.is_killed for result in self.results)

    @property
    def counted(self) -> int:
        return self.killed + len(self.survivors)

    @property
    def highest_score(self) -> float:
        """That of all mutants is below this with a probability of 95 % (Wilson's interval)."""
        if not self.counted:
            return 1.0
        share, n = self.killed / self.counted, self.counted
        middle = share + Z * Z / (2 * n)
        return (middle + Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))) / (1 + Z * Z / n)

    @property
    def survivors(self) -> list[Result]:
        survived = (result for result in self.results if result.verdict is Verdict.SURVIVED)
        return sorted(survived, key=lambda result: (result.mutant.path, result.mutant.place))

    def summary(self) -> str:
        counts = Counter(result.verdict for result in self.results)
        score = "none" if self.score is None else f"{self.score:.1%} (of all mutants below {self.highest_score:.1%})"
        parts = [f"{counts[verdict]} {verdict}" for verdict in Verdict]
        return f"score {score}: {', '.join(parts)}, {len(self.equivalents)} equivalent"

    def markdown(self) -> str:
        sections = [f"# {self.title}\n\n{self.summary()}\n", self._operators()]
        if self.survivors:
            sections.append("## Survivors\n")
            sections += [_survivor(result) for result in self.survivors]
        if self.equivalents:
            lines = [f"- `{mutant.id}`: {entry.reason}" for mutant, entry in self.equivalents]
            sections.append("## Known to be equivalent, left out\n\n" + "\n".join(lines) + "\n")
        if self.flaky:
            lines = [f"- `{test}`: {reason}" for test, reason in self.flaky.items()]
            sections.append("## Tests that fail without a fault now and then, left out\n\n" + "\n".join(lines) + "\n")
        sections.append("## All mutants\n\n" + "\n".join(_line(result) for result in self.results) + "\n")
        return "\n".join(sections)

    def survivors_text(self) -> str:
        return "\n".join(_survivor(result) for result in self.survivors)

    def _operators(self) -> str:
        killed = Counter(result.mutant.operator for result in self.results if result.is_killed)
        survived = Counter(result.mutant.operator for result in self.survivors)
        rows = [f"| {name} | {killed[name]} | {survived[name]} |" for name in sorted(killed.keys() | survived.keys())]
        return "\n".join(["| operator | killed | survived |", "|---|---|---|", *rows]) + "\n"


def _survivor(result: Result) -> str:
    return f"### `{result.mutant.id}`\n\n```diff\n{_diff(result)}```\n\n{_tests(result)}\n"


def _diff(result: Result) -> str:
    path = Path(result.mutant.path).as_posix()
    before, after = (text.splitlines(keepends=True) for text in (result.before, result.after))
    return "".join(difflib.unified_diff(before, after, path, f"{path} (mutated)"))


def _tests(result: Result) -> str:
    if not result.ran:
        return "No test reaches it."
    files = [f"{file} ({count})" for file, count in result.ran.items()]
    rest = f" and {len(files) - LONGEST_LIST} more files" if len(files) > LONGEST_LIST else ""
    return f"Tests that passed, {result.seconds:.0f} s: {', '.join(files[:LONGEST_LIST])}{rest}"


def _line(result: Result) -> str:
    end = f" by `{result.killer}`: {result.reason[:120]}" if result.killer else ""
    return f"- {result.verdict}, {result.seconds:.0f} s: `{result.mutant.id}`{end}"
