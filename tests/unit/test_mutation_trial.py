from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.mutation import bench as benches_
from tests.mutation import reach as reaches
from tests.mutation.bench import Bench, benches
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.reach import Map, Reach
from tests.mutation.source import Edit, Source
from tests.mutation.trial import Laboratory, Normal, RedTests, Verdict, ensure_green, mutated

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CURSORS, TESTS_OF_CURSORS = "cms_service/core/security/cursors.py", "tests/unit/test_cursors.py"
SIGN_IN, TESTS_OF_SIGN_IN = "cms_service/services/sign_in.py", "tests/api/test_login.py"
LEASE = "cms_service/repositories/cache_lease.py"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with benches(ROOT, 1) as [made]:
        yield made


@pytest.fixture(scope="module")
def recorded(bench: Bench) -> Map:
    """What two files of tests run: one in the process of pytest, one over HTTP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reaches, "test_files", lambda _: [TESTS_OF_CURSORS, TESTS_OF_SIGN_IN])
        found, runs = reaches.record(ROOT, [bench], benches_.FAST)
    assert [run.failed for run in runs] == [[]]
    return found


def fault() -> Mutant:
    """A fault in a function, which tests of the same name find."""
    found = mutants_of(Source(CURSORS, (ROOT / CURSORS).read_bytes()))
    return next(mutant for mutant in found if mutant.detail.startswith("signed.listing != listing"))


def with_edit(text: str) -> Mutant:
    """The text at the beginning of the same module."""
    return msgspec.structs.replace(fault(), edits=(Edit(0, 0, text),))


def contexts_of(recorded: Map, path: str, text: str) -> set[int]:
    """In which contexts the first line with the text ran."""
    lines = (ROOT / path).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if text in line)
    return set(recorded.lines[path].get(number, ()))


def test_lines_of_requests_are_recorded_apart_for_each_test(recorded: Map) -> None:
    contexts = contexts_of(recorded, SIGN_IN, ".renew_hash(")

    reaching = {test.id for test in recorded.tests if contexts & set(test.contexts)}
    assert reaching == {
        f"{TESTS_OF_SIGN_IN}::test_hash_is_renewed_when_it_was_made_with_other_parameters",
        f"{TESTS_OF_SIGN_IN}::test_logins_at_once_all_succeed_when_each_would_renew_the_hash",
    }


def test_lines_are_recorded_that_a_worker_runs_after_sigterm(recorded: Map) -> None:
    contexts = contexts_of(recorded, LEASE, "fetch_row(_RETURN")

    assert any(contexts & set(test.session_contexts) for test in recorded.tests)


def test_most_specific_tests_come_first_and_others_not_at_all(recorded: Map) -> None:
    tests = Reach(ROOT, recorded).tests_of(fault())

    assert tests
    assert {test.file for test in tests} == {TESTS_OF_CURSORS}


def test_mutant_is_killed_when_a_test_fails_and_survives_when_none_does(bench: Bench, recorded: Map) -> None:
    reach, normal = Reach(ROOT, recorded), Normal()
    ensure_green([bench], reach.tests_of(fault()), normal, benches_.FAST)
    not_python, not_imported, harmless = with_edit("1 1\n"), with_edit("1 / 0\n"), with_edit("# Nothing.\n")
    mutants = [not_python, not_imported, fault(), harmless, fault()]

    results = list(Laboratory(ROOT, [bench], reach, None, normal).try_all(mutants, wanted=2))

    verdicts = [result.verdict for result in results]
    assert verdicts == [Verdict.NOT_VIABLE, Verdict.NOT_VIABLE, Verdict.KILLED, Verdict.SURVIVED]
    assert results[2].killer.startswith(f"{TESTS_OF_CURSORS}::")
    assert results[3].ran == {TESTS_OF_CURSORS: len(reach.tests_of(fault()))}
    assert (bench.root / CURSORS).read_bytes() == (ROOT / CURSORS).read_bytes()


def test_mutant_is_killed_when_a_test_does_not_end(
    bench: Bench, recorded: Map, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches_, "FLOOR_SECONDS", 2)
    reach = Reach(ROOT, recorded)
    start, end = fault().edits[0].start, fault().edits[0].end
    endless = msgspec.structs.replace(fault(), edits=(Edit(start, end, "!= exec('while True: pass') !="),))
    assert mutated(ROOT, endless) is not None

    [result] = Laboratory(ROOT, [bench], reach, None, Normal()).try_all([endless], wanted=1)

    assert result.verdict is Verdict.TIMEOUT
    assert result.is_killed


def test_nothing_is_judged_by_tests_that_fail_without_a_fault(bench: Bench, recorded: Map) -> None:
    broken = mutated(ROOT, fault())
    assert broken is not None

    with bench.changed(CURSORS, broken), pytest.raises(RedTests, match=TESTS_OF_CURSORS):
        ensure_green([bench], Reach(ROOT, recorded).tests_of(fault()), Normal(), benches_.FAST)
