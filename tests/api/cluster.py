"""Two replicas of the service, of two workers each, and connections that reach every one of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain

import httpx
import pytest

from tests.fixtures import Database, Service, service_environ
from tests.processes import connections_of, workers_of

REPLICAS = 2
WORKERS = 2
MOST_CONNECTIONS = 100
BEGIN_SECONDS = 0.1
"""From one connection to the next while a worker does not listen yet."""
ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)


@asynccontextmanager
async def running_replicas(
    database: Database, service: Service, factory: pytest.TempPathFactory, **overrides: str
) -> AsyncIterator[list[Service]]:
    """Beside `service`, whose tokens are theirs too."""
    environ = service_environ(database, public_url=service.url, workers=str(WORKERS), **overrides)
    replicas = [Service(environ, factory.mktemp("replica")) for _ in range(REPLICAS)]
    try:
        await asyncio.gather(*(replica.wait_until_ready() for replica in replicas))
        yield replicas
    finally:
        await asyncio.gather(*(replica.stop() for replica in replicas))
    for replica in replicas:
        replica.refuse_tracebacks()


@asynccontextmanager
async def open_connections(replicas: Sequence[Service], count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """So many to each replica, or more if need be: every worker has some. The replicas take turns in the list."""
    async with AsyncExitStack() as stack:
        groups: list[list[httpx.AsyncClient]] = []
        for replica in replicas:
            group: list[httpx.AsyncClient] = []
            while len(group) < count or busy_workers(replica) < WORKERS:
                assert len(group) < MOST_CONNECTIONS, f"all to one worker:\n{replica.log.read_text()}"
                if len(group) >= count:
                    await asyncio.sleep(BEGIN_SECONDS)
                http = await stack.enter_async_context(replica.client(limits=ONE))
                group.append(http)
                assert (await http.get("/health/live")).is_success
            groups.append(group)
        shortest = min(map(len, groups))
        in_turn = chain.from_iterable(zip(*(group[:shortest] for group in groups), strict=True))
        yield [*in_turn, *chain.from_iterable(group[shortest:] for group in groups)]


def busy_workers(service: Service) -> int:
    """How many of its processes hold connections to clients."""
    held = [connections_of(worker) for worker in workers_of(service.process.pid)]
    return sum(any(own == service.port for own, _ in connections) for connections in held)
