"""How soon a change is heard of everywhere."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from itertools import chain
from math import ceil

import msgspec

from cms_service.operating import create_administrator
from tests.benchmarks.bench import ADMIN_EMAIL, Bench
from tests.benchmarks.database import PASSWORD
from tests.benchmarks.figures import Figures, latency_of
from tests.benchmarks.population import Population, populate
from tests.benchmarks.replicas import Replicas
from tests.benchmarks.report import Row
from tests.benchmarks.servers import Server, service_settings, serving_service

USERS, ROLES = 1_000, 10
CHANGES = 120
"""In all rounds together, of each kind."""
SERVICES, WORKERS = 2, 2


class Site(msgspec.Struct, frozen=True):
    """Services on a database of their own, each with so many workers."""

    population: Population
    servers: Sequence[Server]
    workers: int
    access_token: str


def propagation(bench: Bench) -> Iterator[Row]:
    """A role is withdrawn behind the back of the service, and by an administrator."""
    with ExitStack() as stack:
        single = _site(bench, stack, "single", services=1, workers=1)
        cluster = _site(bench, stack, "cluster", services=SERVICES, workers=WORKERS)
        alone, notified, denied, together = asyncio.run(_measure(single, cluster, bench.rounds))
    everybody = f"{SERVICES * WORKERS} workers"
    work = f"a role withdrawn in SQL: the last of {everybody} denies"
    yield Row(work, "a bare listener is notified", notified, denied, unit="ms")
    work = f"DELETE /users/{{id}}/roles/{{id}}, heard by {everybody}"
    yield Row(work, "the same: 1 worker", alone, together, unit="ms", connections=1)


def _site(bench: Bench, stack: ExitStack, name: str, *, services: int, workers: int) -> Site:
    population = populate(bench.database.url, name, USERS, ROLES)
    asyncio.run(create_administrator(service_settings(population.url), ADMIN_EMAIL, PASSWORD))
    serving = [serving_service(population.url, bench.log, workers) for _ in range(services)]
    servers = [stack.enter_context(server) for server in serving]
    return Site(population, servers, workers, bench.sign_in(ADMIN_EMAIL, servers[0]))


async def _measure(single: Site, cluster: Site, rounds: int) -> list[Figures]:
    times = ceil(CHANGES / rounds)
    measured = []
    for _ in range(rounds):
        # Opened anew each time: the service hangs up on connections that are idle while it is the others' turn.
        async with _replicas(single) as replicas:
            alone = await replicas.withdraw_by_request(times)
        async with _replicas(cluster) as replicas:
            measured.append((alone, *await replicas.withdraw_in_sql(times), await replicas.withdraw_by_request(times)))
    # All rounds together, since the slowest changes of each are too few to tell by themselves.
    return [latency_of([*chain(*kind)]) for kind in zip(*measured, strict=True)]


def _replicas(site: Site) -> AbstractAsyncContextManager[Replicas]:
    return Replicas.open(site.servers, site.workers, site.population, site.access_token)
