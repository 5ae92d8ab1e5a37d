from pathlib import Path

import pytest

from tests.mutation import equivalent
from tests.mutation.mutants import Mutant, draw, find_mutants, mutants_of
from tests.mutation.report import Report
from tests.mutation.runner import Result, Verdict
from tests.mutation.source import Source

ROOT = Path(__file__).parents[2]
MODULE = "def f(a, b):\n    if a == 1 and b < 2:\n        return a + b\n    return g(a, b, c=True)\n"


def mutants() -> list[Mutant]:
    return mutants_of(Source("module.py", MODULE.encode()))


def test_draw_is_the_same_when_the_seed_is() -> None:
    first, again, other = draw(mutants(), 1), draw(reversed(mutants()), 1), draw(mutants(), 2)

    assert [mutant.id for mutant in first] != [mutant.id for mutant in other]
    assert [mutant.id for mutant in first] == [mutant.id for mutant in again]


def test_draw_takes_each_place_once() -> None:
    drawn = draw(mutants(), 1)

    assert len({mutant.place for mutant in drawn}) == len(drawn)
    assert {mutant.place for mutant in drawn} == {mutant.place for mutant in mutants()}


def test_place_with_many_mutants_is_drawn_no_more_often_than_others() -> None:
    firsts = [draw(mutants(), seed)[0].place for seed in range(2000)]
    places = {mutant.place for mutant in mutants()}

    expected = len(firsts) / len(places)
    assert all(0.7 * expected < firsts.count(place) < 1.3 * expected for place in places)


def test_pattern_stands_for_any_text() -> None:
    [entry] = equivalent.parse("# a comment\n\nmodule.py:f:comparison:a == 1 -> a != 1 | a | b is never so\n")

    assert entry.reason == "b is never so"
    assert not equivalent.matches("module.py:f:comparison:a", "module.py:f:comparison:ab")
    [entry] = equivalent.parse("module.py:*:comparison:a == 1 -> a != 1 | never so\n")
    assert [mutant.operator for mutant in mutants() if entry.matches(mutant)] == ["comparison"]


def test_line_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="no reason"):
        equivalent.parse("module.py:*:comparison:a == 1 -> a != 1\n")


def test_entry_is_stale_when_it_matches_no_mutant() -> None:
    entries = equivalent.parse("module.py:*:number:1 -> 2 | x\nmodule.py:*:number:7 -> 8 | y\n")

    assert [entry.pattern for entry in equivalent.stale(entries, mutants())] == ["module.py:*:number:7 -> 8"]


def test_file_of_equivalent_mutants_matches_the_service() -> None:
    entries = equivalent.parse(equivalent.FILE.read_text())

    assert equivalent.stale(entries, find_mutants(ROOT)) == []


def test_score_counts_what_was_killed_and_what_survived() -> None:
    verdicts = [
        Verdict.KILLED,
        Verdict.TIMEOUT,
        Verdict.KILLED_BY_SLOW,
        Verdict.SURVIVED,
        Verdict.NOT_VIABLE,
        Verdict.UNDECIDED,
    ]
    results = [
        Result(mutant, verdict, before=MODULE, after=MODULE.replace("1", "2"))
        for mutant, verdict in zip(mutants(), verdicts, strict=False)
    ]
    report = Report("A run", results, [(mutants()[0], equivalent.Entry("p", "It is always so."))])

    assert report.score == 3 / 4
    assert [result.mutant.id for result in report.survivors] == [results[3].mutant.id]
    text = report.markdown()
    counts = "1 killed, 1 timeout, 1 killed only by slow tests, 1 survived, 1 not viable, 1 undecided, 1 equivalent"
    assert "score 75.0% (" in text
    assert counts in text
    assert "+    if a == 2 and b < 2:" in text
    assert "It is always so." in text


def test_score_is_not_told_when_nothing_counts() -> None:
    assert Report("A run", [Result(mutants()[0], Verdict.NOT_VIABLE)]).score is None


@pytest.mark.parametrize(("killed", "survived", "highest"), [(135, 15, 0.934), (120, 30, 0.848), (10, 0, 1.0)])
def test_score_of_all_mutants_is_told_from_that_of_a_sample(killed: int, survived: int, highest: float) -> None:
    results = [Result(mutants()[0], Verdict.KILLED)] * killed + [Result(mutants()[0], Verdict.SURVIVED)] * survived

    assert Report("A run", results).highest_score == pytest.approx(highest, abs=0.001)
