"""Services on one database, with a connection to each of their workers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import asyncpg

from cms_service.core.database import ACCESS_CHANNEL, driver_url
from tests.benchmarks.population import Population, question
from tests.benchmarks.servers import Server
from tests.benchmarks.wire import Wire, open_to_each_worker, request

POLL_SECONDS = 0.002
SETTLE_SECONDS = 0.05
"""Between two changes, so that nothing has to be done any more for the one before."""
LONGEST_SECONDS = 10
ASSIGN = "INSERT INTO user_roles (id, user_id, role_id) VALUES (gen_random_uuid(), $1, $2)"
WITHDRAW = "DELETE FROM user_roles WHERE user_id = $1 AND role_id = $2"


class Replicas:
    """Withdraws a role from the first user of a population, again and again."""

    def __init__(
        self, wires: Sequence[Wire], connection: asyncpg.Connection, population: Population, access_token: str
    ) -> None:
        self._wires = wires
        self._connection = connection
        self._dsn = driver_url(population.url)
        self._user_id = population.user_ids[0]
        self._role_id = population.role_id
        self._access_token = access_token
        self._evaluation = request("POST", "/api/v1/access/evaluation", access_token, question(self._user_id))

    @classmethod
    @asynccontextmanager
    async def open(
        cls, servers: Sequence[Server], workers: int, population: Population, access_token: str
    ) -> AsyncIterator[Self]:
        """Each server has so many workers."""
        async with AsyncExitStack() as stack:
            wires: list[Wire] = []
            for server in servers:
                wires += await stack.enter_async_context(open_to_each_worker(server, workers))
            connection = await asyncpg.connect(driver_url(population.url))
            stack.push_async_callback(connection.close)
            replicas = cls(wires, connection, population, access_token)
            await connection.execute(WITHDRAW, population.user_ids[0], population.role_id)
            yield replicas

    async def withdraw_in_sql(self, times: int) -> tuple[list[float], list[float]]:
        """Seconds from COMMIT until a bare listener is notified, and until the last worker denies."""
        notified_after, denied_after = [], []
        notifications = asyncio.Queue[float]()
        listener = await asyncpg.connect(self._dsn)
        await listener.add_listener(ACCESS_CHANNEL, lambda *_: notifications.put_nowait(time.perf_counter()))
        try:
            for _ in range(times):
                await self._connection.execute(ASSIGN, self._user_id, self._role_id)
                await notifications.get()
                await self._settle()
                transaction = self._connection.transaction()
                await transaction.start()
                await self._connection.execute(WITHDRAW, self._user_id, self._role_id)
                committed_at = time.perf_counter()
                await transaction.commit()
                denied_after.append(await self._until_all_say(decision=False) - committed_at)
                notified_after.append(await notifications.get() - committed_at)
        finally:
            await listener.close()
        return notified_after, denied_after

    async def withdraw_by_request(self, times: int) -> list[float]:
        """Seconds until the answer, for which every worker has to hear of it."""
        path = f"/api/v1/users/{self._user_id}/roles/{self._role_id}"
        assign = request("PUT", path, self._access_token, {})
        withdraw = request("DELETE", path, self._access_token)
        durations = []
        for _ in range(times):
            await self._succeed(assign)
            await self._settle()
            started_at = time.perf_counter()
            await self._succeed(withdraw)
            durations.append(time.perf_counter() - started_at)
        return durations

    async def _succeed(self, change: bytes) -> None:
        status, body = await self._wires[0].send(change)
        if not 200 <= status < 300:
            raise RuntimeError(f"a change is answered {status}: {body.decode()}")

    async def _settle(self) -> None:
        """Every worker permits, from memory."""
        await self._until_all_say(decision=True)
        await asyncio.sleep(SETTLE_SECONDS)

    async def _until_all_say(self, *, decision: bool) -> float:
        """The moment at which the last one did."""
        async with asyncio.timeout(LONGEST_SECONDS):
            return max(await asyncio.gather(*(self._until_says(wire, decision) for wire in self._wires)))

    async def _until_says(self, wire: Wire, decision: bool) -> float:
        expected = {"decision": decision}
        while True:
            status, body = await wire.send(self._evaluation)
            if status != 200:
                raise RuntimeError(f"a question is answered {status}: {body.decode()}")
            if json.loads(body) == expected:
                return time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)
