"""What a run has found, as text."""

import difflib
from collections import Counter
from pathlib import Path

import msgspec

from tests.mutation.equivalent import Entry
from tests.mutation.mutants import Mutant
from tests.mutation.trial import Result, Verdict, mutated

LONGEST_LIST = 12


class Report(msgspec.Struct):
    """The results so far."""

    root: Path
    title: str
    results: list[Result] = []
    equivalents: list[tuple[Mutant, Entry]] = []
    """Drawn, and left out."""
    unsteady: dict[str, str] = {}
    """Tests that were left out."""

    @property
    def score(self) -> float | None:
        """How many of the mutants were killed; None where there is none to count."""
        killed = sum(result.is_killed for result in self.results)
        survived = len(self.survivors)
        return killed / (killed + survived) if killed + survived else None

    @property
    def survivors(self) -> list[Result]:
        survived = (result for result in self.results if result.verdict is Verdict.SURVIVED)
        return sorted(survived, key=lambda result: (result.mutant.path, result.mutant.place))

    def summary(self) -> str:
        counts = Counter(result.verdict for result in self.results)
        score = "none" if self.score is None else f"{self.score:.1%}"
        parts = [f"{counts[verdict]} {verdict}" for verdict in Verdict]
        return f"score {score}: {', '.join(parts)}, {len(self.equivalents)} equivalent"

    def markdown(self) -> str:
        sections = [f"# {self.title}\n\n{self.summary()}\n"]
        if self.survivors:
            sections.append("## Survivors\n")
            sections += [self._survivor(result) for result in self.survivors]
        if self.equivalents:
            lines = [f"- `{mutant.id}`: {entry.reason}" for mutant, entry in self.equivalents]
            sections.append("## Known to be equivalent, left out\n\n" + "\n".join(lines) + "\n")
        if self.unsteady:
            lines = [f"- `{test}`: {reason}" for test, reason in self.unsteady.items()]
            sections.append(
                "## Tests that failed without a fault and then passed, left out\n\n" + "\n".join(lines) + "\n"
            )
        sections.append("## All mutants\n\n" + "\n".join(_line(result) for result in self.results) + "\n")
        return "\n".join(sections)

    def survivors_text(self) -> str:
        return "\n".join(self._survivor(result) for result in self.survivors)

    def _survivor(self, result: Result) -> str:
        return f"### `{result.mutant.id}`\n\n```diff\n{diff(self.root, result.mutant)}```\n\n{_tests(result)}\n"


def diff(root: Path, mutant: Mutant) -> str:
    """The fault as a unified diff."""
    content = mutated(root, mutant) or b""
    before = (root / mutant.path).read_text().splitlines(keepends=True)
    after = content.decode().splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, mutant.path, f"{mutant.path} (mutated)"))


def _tests(result: Result) -> str:
    if not result.ran:
        return "No test reaches it."
    files = [f"{file} ({count})" for file, count in result.ran.items()]
    rest = f" and {len(files) - LONGEST_LIST} more files" if len(files) > LONGEST_LIST else ""
    return f"Tests that passed, {result.seconds:.0f} s: {', '.join(files[:LONGEST_LIST])}{rest}"


def _line(result: Result) -> str:
    end = f" by `{result.killer}`: {result.reason[:120]}" if result.killer else ""
    return f"- {result.verdict}, {result.seconds:.0f} s: `{result.mutant.id}`{end}"
