import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.mutation import coverage_map
from tests.mutation import sandbox as sandboxes_
from tests.mutation.coverage_map import CoverageMap, RedTests, record
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.runner import MutantRunner, Verdict, mutated
from tests.mutation.sandbox import FAST, Sandbox, sandboxes
from tests.mutation.source import Edit, Source

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CURSORS, TESTS_OF_CURSORS = "cms_service/core/security/cursors.py", "tests/unit/test_cursors.py"
SIGN_IN, TESTS_OF_SIGN_IN = "cms_service/services/sign_in.py", "tests/api/test_login.py"
LEASE = "cms_service/repositories/cache_lease.py"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandboxes(ROOT, 1) as [made]:
        yield made


def record_files(sandbox: Sandbox, *files: str) -> CoverageMap:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage_map, "test_files", lambda _: files)
        return record(ROOT, [sandbox], FAST)


@pytest.fixture(scope="module")
def recorded(sandbox: Sandbox) -> CoverageMap:
    """The recording of two files of tests: one runs in the process of pytest, one over HTTP."""
    return record_files(sandbox, TESTS_OF_CURSORS, TESTS_OF_SIGN_IN)


def fault() -> Mutant:
    """A fault in a function, which tests of the same name find."""
    found = mutants_of(Source(CURSORS, (ROOT / CURSORS).read_bytes()))
    return next(mutant for mutant in found if mutant.detail.startswith("signed.listing != listing"))


def with_edit(text: str) -> Mutant:
    """The text at the beginning of the same module."""
    return msgspec.structs.replace(fault(), edits=(Edit(0, 0, text),))


def contexts_of(recorded: CoverageMap, path: str, text: str) -> set[int]:
    """In which contexts the first line with the text ran."""
    lines = (ROOT / path).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if text in line)
    return set(recorded.lines[path].get(number, ()))


def test_lines_of_requests_are_recorded_apart_for_each_test(recorded: CoverageMap) -> None:
    contexts = contexts_of(recorded, SIGN_IN, ".renew_hash(")

    running = {test.id for test in recorded.tests if contexts & set(test.contexts)}
    assert running == {
        f"{TESTS_OF_SIGN_IN}::test_hash_is_renewed_when_it_was_made_with_other_parameters",
        f"{TESTS_OF_SIGN_IN}::test_logins_at_once_all_succeed_when_each_would_renew_the_hash",
    }


def test_lines_are_recorded_that_a_worker_runs_after_sigterm(recorded: CoverageMap) -> None:
    contexts = contexts_of(recorded, LEASE, "fetch_row(_RETURN")

    assert contexts


def test_most_specific_tests_come_first_and_others_not_at_all(recorded: CoverageMap) -> None:
    tests = recorded.tests_of(fault())

    assert tests
    assert {test.file for test in tests} == {TESTS_OF_CURSORS}


def test_every_test_tries_what_runs_at_import(recorded: CoverageMap) -> None:
    tests = recorded.tests_of(msgspec.structs.replace(fault(), function=None))

    assert tests[0].file == TESTS_OF_CURSORS
    assert {test.id for test in tests} == {test.id for test in recorded.tests}


def test_mutant_is_killed_when_a_test_fails_and_survives_when_none_does(
    sandbox: Sandbox, recorded: CoverageMap
) -> None:
    not_python, not_imported, harmless = with_edit("1 1\n"), with_edit("1 / 0\n"), with_edit("# Nothing.\n")
    mutants = [not_python, not_imported, fault(), harmless, fault()]

    results = list(MutantRunner([sandbox], recorded, None).try_all(mutants, wanted=2))

    verdicts = [result.verdict for result in results]
    assert verdicts == [Verdict.NOT_VIABLE, Verdict.NOT_VIABLE, Verdict.KILLED, Verdict.SURVIVED]
    assert results[2].killer.startswith(f"{TESTS_OF_CURSORS}::")
    assert results[2].before == (ROOT / CURSORS).read_text() != results[2].after
    assert results[3].ran == {TESTS_OF_CURSORS: len(recorded.tests_of(fault()))}
    assert (sandbox.root / CURSORS).read_bytes() == (ROOT / CURSORS).read_bytes()


def test_mutant_is_killed_when_a_module_of_tests_cannot_be_imported(sandbox: Sandbox, recorded: CoverageMap) -> None:
    harmless = with_edit("# Nothing.\n")
    with sandbox.changed(TESTS_OF_CURSORS, b"raise RuntimeError\n"):
        [result] = MutantRunner([sandbox], recorded, None).try_all([harmless], wanted=1)

    assert (result.verdict, result.killer) == (Verdict.KILLED, "collection")


def test_mutant_is_killed_when_a_test_does_not_end(
    sandbox: Sandbox, recorded: CoverageMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandboxes_, "LEAST_TIMEOUT_SECONDS", 2)
    start, end = fault().edits[0].start, fault().edits[0].end
    endless = msgspec.structs.replace(fault(), edits=(Edit(start, end, "!= exec('while True: pass') !="),))
    assert mutated(ROOT, endless) is not None

    [result] = MutantRunner([sandbox], recorded, None).try_all([endless], wanted=1)

    assert result.verdict is Verdict.TIMEOUT
    assert result.is_killed


def test_test_that_fails_without_the_fault_too_kills_nothing(
    sandbox: Sandbox, recorded: CoverageMap, tmp_path: Path
) -> None:
    harmless, first = with_edit("# Nothing.\n"), recorded.tests_of(fault())[0]
    tests = sandbox.root / first.file
    red = f"\n\ndef {first.id.rpartition('::')[2].partition('[')[0]}(*_, **__):\n    assert False, 'red by itself'\n"

    with sandbox.changed(first.file, tests.read_bytes() + red.encode()):
        runner = MutantRunner([sandbox], recorded, None)
        [result] = runner.try_all([harmless], wanted=1)

    assert list(runner.flaky) == [first.id]
    assert result.verdict is Verdict.SURVIVED


def test_nothing_is_recorded_of_tests_that_fail_without_a_fault(sandbox: Sandbox) -> None:
    broken = mutated(ROOT, fault())
    assert broken is not None

    with sandbox.changed(CURSORS, broken), pytest.raises(RedTests, match=TESTS_OF_CURSORS):
        record_files(sandbox, TESTS_OF_CURSORS)


def test_module_is_compiled_anew_whenever_it_was_written(sandbox: Sandbox) -> None:
    """Its size and the second of its change may be those of the version before."""
    command = [str(sandbox._python), "-c", "from cms_service.core.security.actor import SYSTEM; print(SYSTEM.probe)"]
    module = "cms_service/core/security/actor.py"
    original = (ROOT / module).read_bytes()

    def probe() -> str:
        # An empty environment keeps coverage from measuring the copy of the service.
        environ = {"PATH": os.defpath}
        ended = subprocess.run(command, cwd=sandbox.root, env=environ, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
        return ended.stdout.strip()

    found = []
    for number in range(1, 5):
        with sandbox.changed(module, original + f"\nActor.probe = {number}\n".encode()):
            found.append(probe())

    assert found == ["1", "2", "3", "4"]
