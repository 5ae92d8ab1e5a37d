"""What a worker takes: time to start, and memory."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from tests.benchmarks.bench import CONNECTIONS, LOGIN_CONNECTIONS, Bench
from tests.benchmarks.figures import Figures
from tests.benchmarks.load import Load, send
from tests.benchmarks.report import Row
from tests.benchmarks.servers import Server, serving_limits, serving_service
from tests.benchmarks.wire import Wire, request

MOST_SUBJECTS = 100_000
BATCH = 200
ASKERS = 8


def start(bench: Bench) -> Iterator[Row]:
    """From nothing to the first answer, with a database that is there."""

    def limit() -> Figures:
        with serving_limits(bench.database.url, bench.log) as server:
            return Figures(server.start_seconds)

    def service() -> Figures:
        with serving_service(bench.database.url, bench.log) as server:
            return Figures(server.start_seconds)

    bare, full = bench.in_turn(limit, service)
    yield Row("cold start to the first 200", "bare Litestar route", bare, full, unit="s")


def memory(bench: Bench) -> Iterator[Row]:
    """Processes of their own, before and after they had something to do, and after they were asked about thousands."""
    subjects = bench.database.user_ids[:MOST_SUBJECTS]
    with serving_limits(bench.database.url, bench.log) as limits, serving_service(bench.database.url, bench.log) as own:
        before = Figures(limits.memory_mib()), Figures(own.memory_mib())
        send(Load(f"{limits.url}/row/{bench.database.a_user_id}", CONNECTIONS), bench.seconds)
        send(Load(f"{own.url}/api/v1/users/me", CONNECTIONS, bench.member_token), bench.seconds)
        send(bench.logins(LOGIN_CONNECTIONS, own), bench.seconds)
        after = Figures(limits.memory_mib()), Figures(own.memory_mib())
        errors = asyncio.run(_ask_about(subjects, own, bench.admin_token))
        full = Figures(own.memory_mib(), errors=errors)
    for moment, (limit, service) in {"after start": before, "after load": after}.items():
        yield Row(f"memory of a worker {moment}", "bare Litestar route", limit, service, unit="MiB")
    yield Row(
        f"memory of a worker after {len(subjects):,} subjects", "the same: after start", before[1], full, unit="MiB"
    )


async def _ask_about(subjects: Sequence[UUID], server: Server, access_token: str) -> int:
    """Whether each of them may, over a few connections at once. Returns how many requests failed."""
    batches = iter([subjects[first : first + BATCH] for first in range(0, len(subjects), BATCH)])

    async def ask() -> int:
        errors = 0
        async with Wire.open(server) as wire:
            for batch in batches:
                status, _ = await wire.send(request("POST", "/api/v1/access/evaluations", access_token, _about(batch)))
                errors += status != 200
        return errors

    return sum(await asyncio.gather(*(ask() for _ in range(ASKERS))))


def _about(subjects: Sequence[UUID]) -> dict[str, Any]:
    return {
        "action": {"name": "publish"},
        "resource": {"type": "articles", "id": "post-1"},
        "evaluations": [{"subject": {"type": "user", "id": str(subject)}} for subject in subjects],
    }
