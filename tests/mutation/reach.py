"""Which tests reach a mutant: what each of them runs, in its own process and in those that it starts."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from coverage import CoverageData

from tests.mutation.bench import RECORDING, Bench, Run, run_on
from tests.mutation.mutants import Mutant
from tests.mutation.names import NameIndex
from tests.mutation.plugin import SESSION
from tests.mutation.recorder import DATA

ELSEWHERE = ("benchmarks", "enumeration", "verifiers", "revocation", "contract", "sdk", "browser")
"""Folders of tests that are not part of `just test`; see the justfile."""
TIERS = ("unit", "services", "repositories", "migrations", "faults", "api", "docs")
"""Folders of tests in the order in which they run: what starts no service first."""
LONG_SECONDS = 15
"""Of all tests of a file that reach a mutant. Others go first, unless the names are alike."""
HASHED = ("cms_service/**/*.py", "tests/**/*.py", "migrations/**/*.py", "pyproject.toml")
OWN = re.compile(r"^tests/(mutation/|unit/test_mutation_)")
"""This tool and its tests."""


class Test(msgspec.Struct, frozen=True):
    """A test of the unmutated tree."""

    id: str
    seconds: float
    contexts: tuple[int, ...]
    """Its own, and those of the fixtures that it shares with the tests of its file."""
    session_contexts: tuple[int, ...]
    """Of the fixtures that it shares with all tests, such as the service."""

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]


class Map(msgspec.Struct, frozen=True):
    """What was run in which context."""

    tests: list[Test]
    lines: dict[str, dict[int, list[int]]]
    """Numbers of contexts, for each line of each module."""


class Reach:
    """Answers which tests reach a mutant."""

    def __init__(self, root: Path, recorded: Map) -> None:
        self._map = recorded
        self._names = NameIndex(root)
        self._breadth = self._breadths()

    @property
    def tests(self) -> list[Test]:
        return self._map.tests

    def tests_of(self, mutant: Mutant) -> list[Test]:
        """Return the tests to run, file by file: those that start no service first, then the most specific first."""
        if mutant.is_at_import:
            bodies = self._names.readers(mutant.path, mutant.lines[0])
            spans = [(body.path, body.first_line, body.last_line) for body in bodies]
            found = self._reaching(spans) if spans else []
            # Where no function uses the name, a framework reads it.
            return self._ordered(mutant, found or [test for test in self._map.tests if test.contexts])
        return self._ordered(mutant, self._reaching([(mutant.path, *mutant.lines)]))

    def _reaching(self, spans: Iterable[tuple[str, int, int]]) -> list[Test]:
        hit: set[int] = set()
        for path, first, last in spans:
            lines = self._map.lines.get(path, {})
            for line in range(first, last + 1):
                hit.update(lines.get(line, ()))
        reached = [test for test in self._map.tests if not hit.isdisjoint(test.contexts)]
        files = {test.file for test in reached}
        # All tests need the session's fixtures. Where they alone reach the fault, one test of each file will do.
        shared: dict[str, Test] = {}
        for test in sorted(self._map.tests, key=lambda test: test.seconds):
            if test.file not in files and not hit.isdisjoint(test.session_contexts):
                shared.setdefault(test.file, test)
        return reached + list(shared.values())

    def _ordered(self, mutant: Mutant, tests: Sequence[Test]) -> list[Test]:
        words = _words(mutant.path)
        seconds: dict[str, float] = defaultdict(float)
        for test in tests:
            seconds[test.file] += test.seconds

        def place(test: Test) -> tuple[bool, int, float, int, str]:
            named = _words(test.file)
            likeness = len(words & named) / len(words | named)
            is_late = not likeness and seconds[test.file] > LONG_SECONDS
            return is_late, _tier(test.file), -likeness, self._breadth.get(test.file, 0), test.file

        return sorted(tests, key=place)

    def _breadths(self) -> dict[str, int]:
        """How many lines the tests of each file run."""
        files = {number: test.file for test in self._map.tests for number in test.contexts}
        counts: dict[str, int] = defaultdict(int)
        for lines in self._map.lines.values():
            for numbers in lines.values():
                for file in {files[number] for number in numbers if number in files}:
                    counts[file] += 1
        return counts


def tree_hash(root: Path) -> str:
    """Identifies the service and its tests as they are now."""
    digest = hashlib.sha256()
    for path in sorted(file for pattern in HASHED for file in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if not OWN.match(name):
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def test_files(root: Path) -> list[str]:
    names = (path.relative_to(root).as_posix() for path in root.glob("tests/**/test_*.py"))
    return sorted(name for name in names if name.split("/")[1] not in ELSEWHERE and not OWN.match(name))


def record(root: Path, benches: Sequence[Bench], marks: str) -> tuple[Map, list[Run]]:
    """Run all tests once, recorded. They may fail here: what they run until then counts."""
    shares = share(test_files(root), [float((root / file).stat().st_size) for file in test_files(root)], len(benches))

    def run(bench: Bench, files: list[str]) -> Run:
        (bench.reach / RECORDING).touch()
        try:
            return bench.run(files, bench.plan(is_recorded=True), marks=marks)
        finally:
            (bench.reach / RECORDING).unlink()

    runs = run_on(benches, run, shares)
    return _read(benches, runs), runs


def share(names: Sequence[str], weights: Sequence[float], count: int) -> list[list[str]]:
    """Split the names into parts of about the same weight."""
    parts: list[list[str]] = [[] for _ in range(count)]
    totals = [0.0] * count
    for name, weight in sorted(zip(names, weights, strict=True), key=lambda pair: -pair[1]):
        lightest = totals.index(min(totals))
        parts[lightest].append(name)
        totals[lightest] += weight
    return [sorted(part, key=lambda name: (_tier(name), name)) for part in parts]


def _read(benches: Iterable[Bench], runs: Iterable[Run]) -> Map:
    numbers: dict[str, int] = {}
    lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for bench in benches:
        for file in bench.reach.glob(f"{DATA}*"):
            data = CoverageData(basename=str(file))
            data.read()
            for measured in data.measured_files():
                module = Path(measured).relative_to(bench.root).as_posix()
                for line, contexts in data.contexts_by_lineno(measured).items():
                    # Without a context are only imports.
                    found = (numbers.setdefault(context, len(numbers)) for context in contexts if context)
                    lines[module][line].update(found)
            data.close()
            file.unlink()
    tests = [
        Test(
            event.test,
            event.seconds,
            tuple(numbers[name] for name in event.contexts if name in numbers and not name.startswith(SESSION)),
            tuple(numbers[name] for name in event.contexts if name in numbers and name.startswith(SESSION)),
        )
        for run in runs
        for event in run.finished
    ]
    sorted_lines = {path: {line: sorted(found) for line, found in of.items()} for path, of in lines.items()}
    return Map(tests, sorted_lines)


def _tier(file: str) -> int:
    folder = file.split("/")[1]
    return TIERS.index(folder) if folder in TIERS else len(TIERS)


def _words(path: str) -> set[str]:
    """`tests/api/test_user_roles.py` is about users and roles."""
    return {word.rstrip("s") for word in Path(path).stem.split("_")} - {"", "test"}
