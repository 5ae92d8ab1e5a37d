"""Put one small fault after the other into the service, and see whether the tests fail: `just mutate`.

Draws 150 faults among all places of the modules that decide about security; takes about an hour on two cores, and ten
minutes more after a change, when it has to see anew which tests reach what. The report is build/mutation/report.md.
Exits with 1 where the score is below 0.90, and with 2 where it cannot be told.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.mutation import equivalent
from tests.mutation.bench import FAST, SLOW, Bench, benches
from tests.mutation.mutants import Mutant, draw, find_mutants
from tests.mutation.reach import Map, Reach, record, tree_hash
from tests.mutation.report import Report
from tests.mutation.trial import Laboratory, Normal, RedTests, Result, ensure_green

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
MUTANTS = 150
LOWEST_SCORE = 0.90
NO_SCORE = 2
"""Exit code."""
SPARE = 1.1
"""Of the drawn mutants, so many more may be tried in place of those that are not viable."""

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(prog="just mutate", description=__doc__)
    parser.add_argument("--mutants", type=int, default=MUTANTS, help=f"how many to draw ({MUTANTS})")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--path", nargs="+", default=[""], help="draw only in modules whose path begins so")
    parser.add_argument("--only", nargs="+", metavar="ID", help="try these, where * stands for any text")
    parser.add_argument("--list", action="store_true", help="print the id of every mutant, and end")
    parser.add_argument("--slow", action="store_true", help="let slow and fault tests try what survives the others")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at the same time (all cores)")
    arguments = parser.parse_args()
    every = find_mutants(ROOT)
    mutants = [mutant for mutant in every if mutant.path.startswith(tuple(arguments.path))]
    if arguments.only:
        mutants = [mutant for mutant in mutants if any(equivalent.matches(only, mutant.id) for only in arguments.only)]
    if arguments.list:
        print("\n".join(mutant.id for mutant in mutants))
        return
    entries = equivalent.parse(equivalent.FILE.read_text())
    if stale := equivalent.stale(entries, every):
        _end("no mutant matches these lines of equivalent.txt:", *(entry.pattern for entry in stale))
    if not mutants:
        _end("there is no such mutant")
    order = mutants if arguments.only else draw(mutants, arguments.seed)
    wanted = len(order) if arguments.only else arguments.mutants
    title = f"Mutation testing, {wanted} mutants" + ("" if arguments.only else f", seed {arguments.seed}")
    report = Report(ROOT, title)
    # Leave nothing behind when told to end, as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with benches(ROOT, arguments.jobs) as made:
            _try(made, order, wanted, entries, report, is_slow=arguments.slow)
    except RedTests as error:
        _end("no score, since these tests fail without a fault:", str(error))
    print(f"\n{report.survivors_text()}\n{report.summary()}\nThe report is {BUILD / 'report.md'}.")
    sys.exit(report.score is None or report.score < LOWEST_SCORE)


def _try(
    made: Sequence[Bench],
    order: Sequence[Mutant],
    wanted: int,
    entries: Sequence[equivalent.Entry],
    report: Report,
    *,
    is_slow: bool,
) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    fast = _reach(made, FAST, "fast")
    slow = _reach(made, SLOW, "slow") if is_slow else None
    normal_file = BUILD / f"normal-{tree_hash(ROOT)}.json"
    normal = msgspec.json.decode(normal_file.read_bytes(), type=Normal) if normal_file.exists() else Normal()
    probable = order[: int(wanted * SPARE) + 1]
    try:
        for reach, marks in ((fast, FAST), (slow, SLOW)):
            if reach is not None:
                tests = {test.id: test for mutant in probable for test in reach.tests_of(mutant)}
                _timed(
                    f"Running {len(tests)} tests without a fault",
                    lambda tests=tests, marks=marks: ensure_green(made, tests.values(), normal, marks),  # type: ignore[misc]
                )
    finally:
        normal_file.write_bytes(msgspec.json.encode(normal))
    report.unsteady = normal.unsteady
    laboratory = Laboratory(ROOT, made, fast, slow, normal)
    drawn = _without_equivalents(order, entries, report)
    for result in laboratory.try_all(drawn, wanted):
        report.results.append(result)
        (BUILD / "report.md").write_text(report.markdown())
        _tell(result, len(report.results), wanted)


def _reach(made: Sequence[Bench], marks: str, name: str) -> Reach:
    """The map of what the tests run, made anew where the service or its tests have changed."""
    file = BUILD / f"reach-{name}-{tree_hash(ROOT)}.msgpack"
    if file.exists():
        return Reach(ROOT, msgspec.msgpack.decode(file.read_bytes(), type=Map))
    found, runs = _timed(f"Recording what the {name} tests run", lambda: record(ROOT, made, marks))
    if not found.tests:
        _end("no test ran:", *(run.output for run in runs))
    for failed in (event for run in runs for event in run.failed):
        print(f"failed while it was recorded: {failed.test}: {failed.reason}", flush=True)
    for old in BUILD.glob(f"reach-{name}-*"):
        old.unlink()
    file.write_bytes(msgspec.msgpack.encode(found))
    return Reach(ROOT, found)


def _without_equivalents(
    order: Iterable[Mutant], entries: Sequence[equivalent.Entry], report: Report
) -> Iterator[Mutant]:
    for mutant in order:
        entry = equivalent.equivalent(entries, mutant)
        if entry is None:
            yield mutant
        else:
            report.equivalents.append((mutant, entry))


def _tell(result: Result, number: int, wanted: int) -> None:
    by = f" by {result.killer}" if result.killer else ""
    print(f"[{number}/{wanted}] {result.verdict}, {result.seconds:.0f} s: {result.mutant.id}{by}", flush=True)


def _timed(title: str, work: Callable[[], T]) -> T:
    print(f"{title} …", flush=True)
    started_at = time.monotonic()
    done = work()
    print(f"… {time.monotonic() - started_at:.0f} s", flush=True)
    return done


def _end(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(NO_SCORE)


if __name__ == "__main__":
    main()
