"""Put one small fault after the other into the service, and see whether the tests fail: `just mutate`.

Draws 150 faults among all places of the modules that decide about security; takes about an hour on two cores, and five
minutes more after a change, when it has to see anew which tests run which lines. The report is
build/mutation/report.md. Exits with 1 where the score of all faults is below 0.90 with a probability of 95 %, and
with 2 where it cannot be told.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from tests.mutation import equivalent
from tests.mutation.coverage_map import CoverageMap, RedTests, record, tree_hash
from tests.mutation.mutants import Mutant, draw, find_mutants
from tests.mutation.report import Report
from tests.mutation.runner import MutantRunner, Result
from tests.mutation.sandbox import FAST, SLOW, Sandbox, sandboxes

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
MUTANTS = 150
LOWEST_SCORE = 0.90
NO_SCORE = 2
"""Exit code."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="just mutate", description=__doc__)
    parser.add_argument("--mutants", type=int, default=MUTANTS, help=f"how many to draw ({MUTANTS})")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--path", nargs="+", default=[""], help="draw only in modules whose path begins so")
    parser.add_argument("--only", nargs="+", metavar="ID", help="try these, where * stands for any text")
    parser.add_argument("--list", action="store_true", help="print the id of every mutant, and end")
    parser.add_argument("--slow", action="store_true", help="let slow and fault tests try what survives the others")
    parser.add_argument("--jobs", type=int, default=_cores(), help="mutants at the same time (all cores)")
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
        _exit("no mutant matches these lines of equivalent.txt:", *(entry.pattern for entry in stale))
    if not mutants:
        _exit("there is no such mutant")
    order = mutants if arguments.only else draw(mutants, arguments.seed)
    wanted = len(order) if arguments.only else arguments.mutants
    report = Report(f"Mutation testing, {wanted} mutants" + ("" if arguments.only else f", seed {arguments.seed}"))
    drawn = order if arguments.only else _without_equivalents(order, entries, report)
    # Leave nothing behind when told to end, as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        with sandboxes(ROOT, arguments.jobs) as made:
            runner = MutantRunner(
                made, _coverage_map(made, FAST, "fast"), _coverage_map(made, SLOW, "slow") if arguments.slow else None
            )
            report.flaky = runner.flaky
            for result in runner.try_all(drawn, wanted):
                report.results.append(result)
                (BUILD / "report.md").write_text(report.markdown())
                _tell(result, len(report.results), wanted)
    except RedTests as error:
        _exit("no score, since these tests fail without a fault:", str(error))
    print(f"\n{report.survivors_text()}\n{report.summary()}\nThe report is {BUILD / 'report.md'}.")
    sys.exit(NO_SCORE if report.score is None else report.highest_score < LOWEST_SCORE)


def _coverage_map(made: Sequence[Sandbox], marks: str, name: str) -> CoverageMap:
    """Return the map of which tests run which lines; record it again after a change of the repository."""
    file = BUILD / f"coverage-{name}-{tree_hash(ROOT)}.msgpack"
    if not file.exists():
        print(f"Recording what the {name} tests run …", flush=True)
        started_at = time.monotonic()
        found = record(ROOT, made, marks)
        print(f"… {time.monotonic() - started_at:.0f} s", flush=True)
        for old in BUILD.glob(f"coverage-{name}-*"):
            old.unlink()
        file.write_bytes(msgspec.msgpack.encode(found))
    return msgspec.msgpack.decode(file.read_bytes(), type=CoverageMap)


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


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _exit(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(NO_SCORE)


if __name__ == "__main__":
    main()
