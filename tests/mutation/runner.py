"""Runs the tests on mutants."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import StrEnum
from pathlib import Path
from queue import Queue

import msgspec

from tests.mutation.coverage_map import CoverageMap, Test
from tests.mutation.mutants import Mutant
from tests.mutation.plugin import NOT_VIABLE
from tests.mutation.sandbox import COLLECTION, FAST, SLOW, Run, Sandbox, interruptible
from tests.mutation.source import Source

NO_TESTS = 5
NOT_COLLECTED = {1, 2, 4}
"""Exit codes of pytest where no test has failed, but a module of tests cannot be imported."""
MOST_TRIES = 3


class Verdict(StrEnum):
    """The verdict on a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    """Killed: a test did not end."""
    KILLED_BY_SLOW = "killed only by slow tests"
    SURVIVED = "survived"
    NOT_VIABLE = "not viable"
    """It does not compile, or cannot be imported."""
    UNDECIDED = "undecided"
    """pytest crashed, or only tests failed that fail without the fault, too."""


class Result(msgspec.Struct, frozen=True):
    """A mutant and what became of it."""

    mutant: Mutant
    verdict: Verdict
    seconds: float = 0
    killer: str = ""
    """The test that failed, or `collection`."""
    reason: str = ""
    ran: dict[str, int] = {}
    """How many tests ran, by file."""
    before: str = ""
    after: str = ""
    """The module without and with the fault."""

    @property
    def is_killed(self) -> bool:
        return self.verdict in {Verdict.KILLED, Verdict.TIMEOUT, Verdict.KILLED_BY_SLOW}


class MutantRunner:
    """Tries mutants in sandboxes, several at once."""

    def __init__(self, sandboxes: Sequence[Sandbox], fast: CoverageMap, slow: CoverageMap | None) -> None:
        self._fast = fast
        self._slow = slow
        self._sandboxes = sandboxes
        self._usual_seconds = {test.id: test.seconds for test in (*fast.tests, *(slow.tests if slow else ()))}
        self._passes_alone: set[str] = set()
        self.flaky = fast.flaky | (slow.flaky if slow else {})
        """Tests that were found to fail without a fault, with the reason."""
        self._free: Queue[Sandbox] = Queue()
        for sandbox in sandboxes:
            self._free.put(sandbox)

    def try_all(self, mutants: Iterable[Mutant], wanted: int) -> Iterator[Result]:
        """Yield results until so many of the mutants, in their order, are viable. Those that are not come as well."""
        left = iter(mutants)
        viable = 0
        running: set[Future[Result]] = set()
        with ThreadPoolExecutor(len(self._sandboxes)) as pool, interruptible(self._sandboxes):
            while True:
                while len(running) < len(self._sandboxes) and viable + len(running) < wanted:
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

    def _try(self, mutant: Mutant) -> Result:
        sandbox = self._free.get()
        try:
            content = mutated(sandbox.root, mutant)
            if content is None:
                return Result(mutant, Verdict.NOT_VIABLE)
            before = (sandbox.root / mutant.path).read_text()
            result = self._judge(sandbox, mutant, content)
            return msgspec.structs.replace(result, before=before, after=content.decode())
        finally:
            self._free.put(sandbox)

    def _judge(self, sandbox: Sandbox, mutant: Mutant, content: bytes) -> Result:
        result = self._judge_by(self._fast, FAST, sandbox, mutant, content)
        if result.verdict is Verdict.SURVIVED and self._slow is not None:
            slow = self._judge_by(self._slow, SLOW, sandbox, mutant, content)
            verdict = Verdict.KILLED_BY_SLOW if slow.is_killed else slow.verdict
            ran, seconds = result.ran | slow.ran, result.seconds + slow.seconds
            return msgspec.structs.replace(slow, verdict=verdict, ran=ran, seconds=seconds)
        return result

    def _judge_by(self, tests: CoverageMap, marks: str, sandbox: Sandbox, mutant: Mutant, content: bytes) -> Result:
        result = Result(mutant, Verdict.UNDECIDED)
        for _ in range(MOST_TRIES):
            selected = [test for test in tests.tests_of(mutant) if test.id not in self.flaky]
            with sandbox.changed(mutant.path, content):
                result = self._run(sandbox, mutant, selected, tests, marks)
            is_flaky = result.is_killed and not self._passes_without_fault(sandbox, result.killer, marks)
            if result.verdict is not Verdict.UNDECIDED and not is_flaky:
                return result
        return msgspec.structs.replace(result, verdict=Verdict.UNDECIDED)

    def _run(
        self, sandbox: Sandbox, mutant: Mutant, selected: Sequence[Test], tests: CoverageMap, marks: str
    ) -> Result:
        files = list(dict.fromkeys(test.file for test in selected))
        if not files:
            return Result(mutant, Verdict.SURVIVED)
        known = frozenset(test.id for test in tests.tests) | self.flaky.keys()
        plan = sandbox.plan(selected=frozenset(test.id for test in selected), known=known)
        run = sandbox.run(files, plan, marks=marks, stops=True, usual_seconds=self._usual_seconds)
        verdict, killer, reason = judge(run)
        ran = Counter(event.test.partition("::")[0] for event in run.finished)
        return Result(mutant, verdict, run.seconds, killer, reason, dict(ran))

    def _passes_without_fault(self, sandbox: Sandbox, test: str, marks: str) -> bool:
        """Whether the test that killed passes when it runs alone on the unmutated tree."""
        if test in self._passes_alone or test not in self._usual_seconds:
            return True
        plan = sandbox.plan(selected=frozenset([test]))
        run = sandbox.run([test.partition("::")[0]], plan, marks=marks, usual_seconds=self._usual_seconds)
        if [event.outcome for event in run.finished] == ["passed"]:
            self._passes_alone.add(test)
            return True
        self.flaky[test] = judge(run)[2]
        return False


def judge(run: Run) -> tuple[Verdict, str, str]:
    """Verdict, what ended the run, and why."""
    if run.exit_code == NOT_VIABLE:
        return Verdict.NOT_VIABLE, "", ""
    if run.timed_out is not None:
        return Verdict.TIMEOUT, run.timed_out, "did not end"
    if run.failed:
        return Verdict.KILLED, run.failed[0].test, run.failed[0].reason
    if run.exit_code in {0, NO_TESTS}:
        return Verdict.SURVIVED, "", ""
    last_line = run.output.strip().rpartition("\n")[2]
    if run.exit_code in NOT_COLLECTED:
        return Verdict.KILLED, COLLECTION, last_line
    return Verdict.UNDECIDED, "", f"pytest, exit code {run.exit_code}: {last_line}"


def mutated(root: Path, mutant: Mutant) -> bytes | None:
    """Return the module with the fault; None where that is no Python."""
    content = Source(mutant.path, (root / mutant.path).read_bytes()).apply(mutant.edits)
    try:
        Source(mutant.path, content)
    except (SyntaxError, ValueError):
        return None
    return content
