"""Runs the tests on mutants."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from pathlib import Path
from queue import Queue

import msgspec

from tests.mutation.bench import FAST, SLOW, Bench, Run, interruptible, run_on
from tests.mutation.mutants import Mutant
from tests.mutation.plugin import NOT_VIABLE
from tests.mutation.reach import Reach, Test, share
from tests.mutation.source import Source

NO_TESTS = 5
"""The exit code of pytest where it has run none."""


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    """Killed: a test did not end."""
    KILLED_BY_SLOW = "killed only by slow tests"
    SURVIVED = "survived"
    NOT_VIABLE = "not viable"
    """It does not compile, or cannot be imported."""


class Result(msgspec.Struct, frozen=True):
    """A mutant and what became of it."""

    mutant: Mutant
    verdict: Verdict
    seconds: float = 0
    killer: str = ""
    """The test that failed, or what else ended the run."""
    reason: str = ""
    ran: dict[str, int] = {}
    """How many tests ran, by file."""

    @property
    def is_killed(self) -> bool:
        return self.verdict in {Verdict.KILLED, Verdict.TIMEOUT, Verdict.KILLED_BY_SLOW}


class Normal(msgspec.Struct):
    """How the tests behave on the unmutated tree."""

    seconds: dict[str, float] = {}
    """Of each test that passes, by its id."""
    unsteady: dict[str, str] = {}
    """Tests that failed and then passed, with the reason: their failure would prove nothing, so they are left out."""


class RedTests(Exception):
    """Tests fail on the unmutated tree."""


def ensure_green(benches: Sequence[Bench], tests: Iterable[Test], normal: Normal, marks: str) -> None:
    """Run those of the tests that have not passed yet, on the unmutated tree. Raises RedTests."""
    missing = [test for test in tests if test.id not in normal.seconds]
    failed = _run_unmutated(benches, missing, normal, marks)
    red = _run_unmutated(benches, [test for test in missing if test.id in failed], normal, marks)
    normal.unsteady |= {name: reason for name, reason in failed.items() if name not in red}
    if red:
        raise RedTests("\n".join(f"{name}: {reason}" for name, reason in red.items()))


def _run_unmutated(benches: Sequence[Bench], tests: Sequence[Test], normal: Normal, marks: str) -> dict[str, str]:
    """Return the tests that failed or did not run, with the reason."""
    files = sorted({test.file for test in tests})
    if not files:
        return {}
    weights = [sum(test.seconds for test in tests if test.file == file) for file in files]
    shares = [part for part in share(files, weights, len(benches)) if part]
    selected = frozenset(test.id for test in tests)

    def run(bench: Bench, part: list[str]) -> Run:
        return bench.run(part, bench.plan(selected=selected), marks=marks)

    runs = run_on(benches, run, shares)
    finished = {event.test: event for run_ in runs for event in run_.finished}
    normal.seconds |= {name: event.seconds for name, event in finished.items() if event.outcome != "failed"}
    return {
        test.id: finished[test.id].reason if test.id in finished else f"did not run: {runs[0].output[-1000:]}"
        for test in tests
        if test.id not in normal.seconds
    }


class Laboratory:
    """Tries mutants on benches, several at once."""

    def __init__(
        self,
        root: Path,
        benches: Sequence[Bench],
        fast: Reach,
        slow: Reach | None,
        normal: Normal,
    ) -> None:
        self._root = root
        self._fast = fast
        self._slow = slow
        self._normal = normal
        self._benches = benches
        self._free: Queue[Bench] = Queue()
        for bench in benches:
            self._free.put(bench)

    def try_all(self, mutants: Iterable[Mutant], wanted: int) -> Iterator[Result]:
        """Yield results until so many of the mutants, in their order, are viable. Those that are not come as well."""
        left = iter(mutants)
        viable = 0
        running: set[Future[Result]] = set()
        with ThreadPoolExecutor(len(self._benches)) as pool, interruptible(self._benches):
            while True:
                while len(running) < len(self._benches) and viable + len(running) < wanted:
                    mutant = next(left, None)
                    if mutant is None:
                        break
                    running.add(pool.submit(self._try, mutant))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    viable += result.verdict is not Verdict.NOT_VIABLE
                    yield result

    def _steady(self, reach: Reach, mutant: Mutant) -> list[Test]:
        return [test for test in reach.tests_of(mutant) if test.id not in self._normal.unsteady]

    def _try(self, mutant: Mutant) -> Result:
        bench = self._free.get()
        try:
            content = mutated(self._root, mutant)
            if content is None:
                return Result(mutant, Verdict.NOT_VIABLE)
            with bench.changed(mutant.path, content):
                return self._judge(bench, mutant)
        finally:
            self._free.put(bench)

    def _judge(self, bench: Bench, mutant: Mutant) -> Result:
        if not (self._steady(self._fast, mutant) or bench.can_import()):
            return Result(mutant, Verdict.NOT_VIABLE)
        result = self._run(bench, mutant, self._fast, FAST)
        if result.verdict is Verdict.SURVIVED and self._slow is not None:
            slow = self._run(bench, mutant, self._slow, SLOW)
            verdict = Verdict.KILLED_BY_SLOW if slow.is_killed else Verdict.SURVIVED
            ran, seconds = result.ran | slow.ran, result.seconds + slow.seconds
            return msgspec.structs.replace(slow, verdict=verdict, ran=ran, seconds=seconds)
        return result

    def _run(self, bench: Bench, mutant: Mutant, reach: Reach, marks: str) -> Result:
        tests = self._steady(reach, mutant)
        files = list(dict.fromkeys(test.file for test in tests))
        if not files:
            return Result(mutant, Verdict.SURVIVED)
        selected = frozenset(test.id for test in tests)
        known = frozenset(test.id for test in reach.tests)
        plan = bench.plan(selected=selected, known=known)
        run = bench.run(files, plan, marks=marks, stops=True, normal_seconds=self._normal.seconds)
        verdict, killer, reason = judge(run)
        ran = Counter(event.test.partition("::")[0] for event in run.finished)
        return Result(mutant, verdict, run.seconds, killer, reason, dict(ran))


def judge(run: Run) -> tuple[Verdict, str, str]:
    """Verdict, what ended the run, and why."""
    if run.exit_code == NOT_VIABLE:
        return Verdict.NOT_VIABLE, "", ""
    if run.hung is not None:
        return Verdict.TIMEOUT, run.hung, "did not end"
    if run.failed:
        return Verdict.KILLED, run.failed[0].test, run.failed[0].reason
    if run.exit_code in {0, NO_TESTS}:
        return Verdict.SURVIVED, "", ""
    # A module of tests could not be collected, or the process crashed.
    last = run.output.strip().rpartition("\n")[2]
    return Verdict.KILLED, f"pytest, exit code {run.exit_code}", last


def mutated(root: Path, mutant: Mutant) -> bytes | None:
    """Return the module with the fault; None where that is no Python."""
    content = Source(mutant.path, (root / mutant.path).read_bytes()).apply(mutant.edits)
    try:
        Source(mutant.path, content)
    except (SyntaxError, ValueError):
        return None
    return content
