"""Which tests run a line, in their own process and in those that they start."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from coverage import CoverageData

from tests.mutation.mutants import Mutant
from tests.mutation.plugin import SESSION
from tests.mutation.recorder import DATA
from tests.mutation.sandbox import NOT_COPIED, RECORDING, Run, Sandbox, run_on

ELSEWHERE = ("benchmarks", "enumeration", "verifiers", "revocation", "contract", "sdk", "browser")
"""Folders of tests that are not part of `just test`; see the justfile."""
TIERS = ("unit", "services", "repositories", "migrations", "faults", "api", "docs")
"""Folders of tests in the order in which they run: what starts no service first."""
OWN = re.compile(r"^tests/(mutation/(?!recorder|plugin|sandbox)|unit/test_mutation_)")
"""This tool and its tests, save what makes the map."""
SOME_FAILED = 1
"""Exit code of pytest."""


class RedTests(Exception):
    """Tests fail without a fault."""


class Test(msgspec.Struct, frozen=True):
    """A test, as it passes without a fault."""

    id: str
    seconds: float
    contexts: tuple[int, ...]
    """Its own, and those of the fixtures that it shares with the tests of its file, not with all tests."""

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]


class CoverageMap(msgspec.Struct, frozen=True):
    """The lines that each test runs on the unmutated tree."""

    tests: list[Test]
    lines: dict[str, dict[int, list[int]]]
    """Numbers of contexts, for each line of each module."""
    flaky: dict[str, str]
    """Tests that failed and then passed, with the reason. Their failure would prove nothing, so they are left out."""

    def tests_of(self, mutant: Mutant) -> list[Test]:
        """Return the tests that can notice the fault, the most probable first.

        Those are the tests that run the function; one that runs the line itself may not have been recorded there. What
        runs at import, or once when the service starts, can be noticed by any test.
        """
        if mutant.function is None:
            return self._ordered(mutant, self.tests, frozenset())
        found = self._running(mutant.path, mutant.function)
        on_line = frozenset(test.id for test in self._running(mutant.path, mutant.lines))
        return self._ordered(mutant, found or self.tests, on_line)

    def _running(self, path: str, lines: tuple[int, int]) -> list[Test]:
        of_module = self.lines.get(path, {})
        contexts = {context for line in range(lines[0], lines[1] + 1) for context in of_module.get(line, ())}
        return [test for test in self.tests if not contexts.isdisjoint(test.contexts)]

    def _ordered(self, mutant: Mutant, tests: Sequence[Test], on_line: frozenset[str]) -> list[Test]:
        """File by file: those that run the line first, then those with a similar name, without a service, and short."""
        words = _words(mutant.path)
        seconds: dict[str, float] = defaultdict(float)
        for test in tests:
            seconds[test.file] += test.seconds
        first_files = {test.file for test in tests if test.id in on_line}

        def place(test: Test) -> tuple[bool, float, int, float, str]:
            named = _words(test.file)
            likeness = len(words & named) / len(words | named)
            return test.file not in first_files, -likeness, _tier(test.file), seconds[test.file], test.file

        return sorted(tests, key=place)


def tree_hash(root: Path) -> str:
    """Identifies all that a sandbox copies, save this tool."""
    digest = hashlib.sha256()
    for path in sorted(_copied(root)):
        name = path.relative_to(root).as_posix()
        if not OWN.match(name):
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _copied(directory: Path) -> Iterable[Path]:
    entries = list(directory.iterdir())
    left_out = NOT_COPIED(str(directory), [entry.name for entry in entries])
    for entry in entries:
        if entry.name in left_out or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _copied(entry)
        else:
            yield entry


def test_files(root: Path) -> list[str]:
    names = (path.relative_to(root).as_posix() for path in root.glob("tests/**/test_*.py"))
    own = re.compile(r"^tests/unit/test_mutation_")
    return sorted(name for name in names if name.split("/")[1] not in ELSEWHERE and not own.match(name))


def record(root: Path, sandboxes: Sequence[Sandbox], marks: str) -> CoverageMap:
    """Run all tests once, and those that fail once more. Raises RedTests."""
    files = test_files(root)
    runs = _record(sandboxes, marks, files, None)
    failed = {event.test: event.reason for run in runs for event in run.failed}
    if failed:
        runs += _record(sandboxes, marks, sorted({name.partition("::")[0] for name in failed}), frozenset(failed))
    events = {event.test: event for run in runs for event in run.finished}
    red = {event.test: event.reason for event in events.values() if event.outcome == "failed"}
    crashed = [run.output[-2000:] for run in runs if run.exit_code not in {0, SOME_FAILED}]
    if red or crashed or not events:
        raise RedTests("\n".join([*(f"{name}: {reason}" for name, reason in red.items()), *crashed]))
    numbers: dict[str, int] = {}
    lines = _read_lines(sandboxes, numbers)
    tests = [
        Test(
            event.test,
            event.seconds,
            tuple(numbers[name] for name in event.contexts if name in numbers and not name.startswith(SESSION)),
        )
        for event in events.values()
        if event.test not in failed
    ]
    return CoverageMap(tests, lines, failed)


def _record(
    sandboxes: Sequence[Sandbox], marks: str, files: Sequence[str], selected: frozenset[str] | None
) -> list[Run]:
    def run(sandbox: Sandbox, part: list[str]) -> Run:
        (sandbox.recorded / RECORDING).touch()
        try:
            return sandbox.run(part, sandbox.plan(selected=selected, is_recorded=True), marks=marks)
        finally:
            (sandbox.recorded / RECORDING).unlink()

    weights = [float((sandboxes[0].root / file).stat().st_size) for file in files]
    return run_on(sandboxes, run, [part for part in share(files, weights, len(sandboxes)) if part])


def share(names: Sequence[str], weights: Sequence[float], count: int) -> list[list[str]]:
    """Split the names into parts of about the same weight."""
    parts: list[list[str]] = [[] for _ in range(count)]
    totals = [0.0] * count
    for name, weight in sorted(zip(names, weights, strict=True), key=lambda pair: -pair[1]):
        lightest = totals.index(min(totals))
        parts[lightest].append(name)
        totals[lightest] += weight
    return [sorted(part, key=lambda name: (_tier(name), name)) for part in parts]


def _read_lines(sandboxes: Iterable[Sandbox], numbers: dict[str, int]) -> dict[str, dict[int, list[int]]]:
    """Returns what was recorded, and gives each context its number."""
    lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for sandbox in sandboxes:
        for file in sandbox.recorded.glob(f"{DATA}*"):
            data = CoverageData(basename=str(file))
            data.read()
            for measured in data.measured_files():
                module = Path(measured).relative_to(sandbox.root).as_posix()
                for line, contexts in data.contexts_by_lineno(measured).items():
                    # Without a context are only imports.
                    found = (numbers.setdefault(context, len(numbers)) for context in contexts if context)
                    lines[module][line].update(found)
            data.close()
            file.unlink()
    return {path: {line: sorted(found) for line, found in of.items()} for path, of in lines.items()}


def _tier(file: str) -> int:
    folder = file.split("/")[1]
    return TIERS.index(folder) if folder in TIERS else len(TIERS)


def _words(path: str) -> set[str]:
    """`tests/api/test_user_roles.py` is about users and roles."""
    return {word.rstrip("s") for word in Path(path).stem.split("_")} - {"", "test"}
