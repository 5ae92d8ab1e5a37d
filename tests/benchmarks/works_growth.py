"""What a decision takes in a small database and in a large one."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from uuid import UUID, uuid4

from cms_service.operating import create_administrator
from tests.benchmarks.bench import ADMIN_EMAIL, Bench
from tests.benchmarks.database import PASSWORD
from tests.benchmarks.figures import Figures, latency_of
from tests.benchmarks.population import Population, populate, question
from tests.benchmarks.report import Row
from tests.benchmarks.servers import Server, service_settings, serving_service
from tests.benchmarks.wire import Wire, request

FEW = (1_000, 10)
MANY = (100_000, 5_000)
"""Users and roles."""
ASKED_ABOUT = 1_000
"""As many as the small database has: nobody is asked about for the first time twice."""
REPETITIONS = 3
STRANGERS = 50


class Asker:
    """Asks one service about users of its database: each round about some that it was never asked about."""

    def __init__(self, server: Server, access_token: str, population: Population, rounds: int) -> None:
        self._server = server
        self._access_token = access_token
        chosen = population.user_ids[:: len(population.user_ids) // ASKED_ABOUT]
        self._groups = iter([chosen[number::rounds] for number in range(rounds)])
        self._group: list[UUID] = []

    def warm_up(self) -> None:
        """Connections are open and statements prepared, and no user is remembered."""
        asyncio.run(self._ask([uuid4() for _ in range(STRANGERS)]))

    def cold(self) -> Figures:
        self._group = next(self._groups)
        return asyncio.run(self._ask(self._group))

    def warm(self) -> Figures:
        """Once more, about the same ones."""
        return asyncio.run(self._ask(REPETITIONS * self._group))

    async def _ask(self, user_ids: Sequence[UUID]) -> Figures:
        durations, errors = [], 0
        requests = [
            request("POST", "/api/v1/access/evaluation", self._access_token, question(user_id)) for user_id in user_ids
        ]
        async with Wire.open(self._server) as wire:
            for evaluation in requests:
                started_at = time.perf_counter()
                status, body = await wire.send(evaluation)
                durations.append(time.perf_counter() - started_at)
                errors += status != 200 or json.loads(body) != {"decision": True}
        return latency_of(durations, errors)


def growth(bench: Bench) -> Iterator[Row]:
    """About users that nobody asked about before, which reads the database, and about the same ones again."""
    with ExitStack() as stack:
        few, many = (_serve(bench, stack, *size) for size in (FEW, MANY))
        cold_few, cold_many, warm_few, warm_many = bench.in_turn(few.cold, many.cold, few.warm, many.warm)
    sizes = f"{MANY[0]:,} users, {MANY[1]:,} roles"
    limit = f"the same: {FEW[0]:,} users, {FEW[1]} roles"
    yield Row(f"a decision, warm: {sizes}", limit, warm_few, warm_many, unit="ms", connections=1)
    yield Row(f"a decision, cold: {sizes}", limit, cold_few, cold_many, unit="ms", connections=1)


def _serve(bench: Bench, stack: ExitStack, user_count: int, role_count: int) -> Asker:
    population = populate(bench.database.url, f"users-{user_count}", user_count, role_count)
    asyncio.run(create_administrator(service_settings(population.url), ADMIN_EMAIL, PASSWORD))
    server = stack.enter_context(serving_service(population.url, bench.log))
    asker = Asker(server, bench.sign_in(ADMIN_EMAIL, server), population, bench.rounds)
    asker.warm_up()
    return asker
