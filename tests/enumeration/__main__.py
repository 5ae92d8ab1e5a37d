"""Try to sign in to accounts of every kind, and compare answers and times: `just test-enumeration`.

The default sample takes half a minute, the 2,000 rounds of `just ci-nightly` five. Exits with 1 where the kinds can be
told apart.
"""

import argparse
import asyncio
import http.client
import json
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import sqrt
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from tests.enumeration.accounts import KINDS, UNKNOWN, Attempt, Kind, draw_attempts, open_accounts, server
from tests.fixtures import Service, service_environ

ROUNDS = 200
WARM_UP_ROUNDS = 20
DEVIATIONS = 5.47
"""How many standard deviations the AUC of equal kinds may be away from 0.5. Chance is further off in one run in
millions.

With 2,000 rounds that is 0.05, with 200 it is 0.16. A sign-in that skips the hash has an AUC near 0 or 1.
"""
HEADERS = {"Content-Type": "application/json", "X-Request-ID": "the-same-for-all"}
PROGRESS_SECONDS = 20


class Answer(msgspec.Struct, frozen=True):
    """All that may be compared, save the time."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """As they came, without the date."""
    body: bytes


class Measured(msgspec.Struct, frozen=True):
    """An attempt that was made."""

    kind: Kind
    seconds: float
    answer: Answer


def main() -> None:
    parser = argparse.ArgumentParser(prog="just test-enumeration", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"attempts of each kind ({ROUNDS:,})")
    rounds: int = parser.parse_args().rounds
    attempts = draw_attempts(WARM_UP_ROUNDS + rounds)
    with server() as database, TemporaryDirectory() as directory:
        asyncio.run(open_accounts(database, attempts))
        service = Service(service_environ(database, password_hashing="standard"), Path(directory))
        try:
            asyncio.run(service.wait_until_ready())
            measured = _measure(service.port, attempts)[WARM_UP_ROUNDS * len(KINDS) :]
        finally:
            asyncio.run(service.stop())
    sys.exit(_judge(measured))


def _measure(port: int, attempts: Sequence[Attempt]) -> list[Measured]:
    """One after the other, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    opened = connection.sock
    measured: list[Measured] = []
    reported_at = time.monotonic()
    for attempt in attempts:
        measured.append(_make(connection, attempt))
        if connection.sock is not opened:
            raise RuntimeError("the service has closed the connection")
        if time.monotonic() - reported_at > PROGRESS_SECONDS:
            reported_at = time.monotonic()
            print(f"{len(measured):,} of {len(attempts):,} attempts …", file=sys.stderr)
    connection.close()
    return measured


def _make(connection: http.client.HTTPConnection, attempt: Attempt) -> Measured:
    body = json.dumps({"email": attempt.email, "password": attempt.kind.password})
    started_at = time.perf_counter()
    connection.request("POST", "/api/v1/auth/login", body, HEADERS)
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - started_at
    headers = tuple(header for header in response.getheaders() if header[0].lower() != "date")
    return Measured(attempt.kind, seconds, Answer(response.status, headers, content))


def _judge(measured: Sequence[Measured]) -> int:
    """Prints the table; 0 where all answers are the same and no time tells anything."""
    seconds = {kind.name: [one.seconds for one in measured if one.kind is kind] for kind in KINDS}
    aucs = {name: auc(times, seconds[UNKNOWN.name]) for name, times in seconds.items()}
    width = max(map(len, seconds))
    print(f"| {'class':{width}} | {'n':>6} | median ms | AUC against {UNKNOWN.name} |")
    print(f"| {'-' * width} | {'-' * 5}: | --------: | {'-' * (len(UNKNOWN.name) + 11)}: |")
    for name, times in seconds.items():
        print(
            f"| {name:{width}} | {len(times):6,} | {median(times) * 1e3:9.2f} "
            f"| {aucs[name]:{len(UNKNOWN.name) + 12}.3f} |"
        )
    answers = {one.answer for one in measured}
    for answer in answers if len(answers) > 1 else ():
        names = sorted({one.kind.name for one in measured if one.answer == answer})
        print(f"Not the same for all: {', '.join(names)}: {answer}", file=sys.stderr)
    statuses = {answer.status for answer in answers}
    if statuses != {401}:
        print(f"Not all are refused as wrong: {statuses}", file=sys.stderr)
    margin = margin_of(len(seconds[UNKNOWN.name]))
    print(f"Equal kinds are between {0.5 - margin:.3f} and {0.5 + margin:.3f}.")
    told_apart = [name for name, value in aucs.items() if abs(value - 0.5) > margin]
    for name in told_apart:
        print(f"Told apart by time: {name}", file=sys.stderr)
    return int(len(answers) > 1 or statuses != {401} or bool(told_apart))


def margin_of(rounds: int) -> float:
    """How far the AUC of two equal samples of this size may be from 0.5: the deviation of Mann and Whitney's U."""
    return DEVIATIONS * sqrt((2 * rounds + 1) / (12 * rounds**2))


def auc(sample: Iterable[float], baseline: Iterable[float]) -> float:
    """How often one of `sample` is larger than one of `baseline`; equal ones count half (Mann and Whitney's U)."""
    ranked = sorted([(value, 1) for value in sample] + [(value, 0) for value in baseline])
    below = 0
    wins = 0.0
    of_sample = 0
    for _, ties in groupby(ranked, key=lambda pair: pair[0]):
        members = [is_sample for _, is_sample in ties]
        mine, others = sum(members), len(members) - sum(members)
        wins += mine * (below + others / 2)
        below += others
        of_sample += mine
    return wins / (of_sample * below)


if __name__ == "__main__":
    main()
