"""Break the PostgreSQL cluster under the service, and watch what its clients see: `just drill`.

Starts the reference deployment (Patroni, etcd, HAProxy) and two replicas of the service, breaks the cluster in the ways
that it must survive, restores backups, and prints a table. Exits with 1 where a write that was answered is lost, a
withdrawn right is still used, a request is answered with another error than 503, or a backup cannot be used.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import httpx
import msgspec

from tests.drill.backups import BACKUPS
from tests.drill.cluster import PatroniCluster
from tests.drill.traffic import Traffic
from tests.fixtures import Caller, make_reachable_directory, running_service, service_environ, sign_in

ENVIRON = {
    "database_pool_timeout_seconds": "1",
    "database_connect_timeout_seconds": "1",
    "database_command_timeout_seconds": "1.5",
    "database_lock_timeout_seconds": "1",
}

Fault: TypeAlias = Callable[[PatroniCluster], Awaitable[None]]


async def switchover(cluster: PatroniCluster) -> None:
    """The primary hands over, as for maintenance."""
    await cluster.switch_over()


async def crash_of_postgresql(cluster: PatroniCluster) -> None:
    """PostgreSQL of the primary is killed; its machine lives on."""
    (await cluster.primary()).crash_postgres()


async def loss_of_primary(cluster: PatroniCluster) -> None:
    """The machine of the primary is gone, and comes back later."""
    (await cluster.primary()).signal(signal.SIGKILL)


async def freeze_of_primary(cluster: PatroniCluster) -> None:
    """The machine of the primary stands still, and goes on later as if nothing had been."""
    (await cluster.primary()).signal(signal.SIGSTOP)


async def loss_of_standby(cluster: PatroniCluster) -> None:
    """The machine of the synchronous standby is gone, and comes back later."""
    (await cluster.standby()).signal(signal.SIGKILL)


FAULTS: list[Fault] = [switchover, crash_of_postgresql, loss_of_primary, freeze_of_primary, loss_of_standby]


class Outcome(msgspec.Struct, frozen=True):
    """The effect of one fault on clients."""

    fault: str
    silence: float
    """The most seconds without an answered write, from the fault until the cluster was whole again."""
    acknowledged: int
    lost: int
    questions: int
    wrong_allows: int
    unexpected: list[str]

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.wrong_allows or self.unexpected)

    def __str__(self) -> str:
        return (
            f"| {self.fault:<20} | {self.silence:7.1f} | {self.acknowledged:6} | {self.lost:4} | {self.questions:9} |"
            f" {self.wrong_allows:12} | {len(self.unexpected):6} |"
        )


HEAD = """
| fault                | silence | writes | lost | questions | wrong allows | errors |
|----------------------|--------:|-------:|-----:|----------:|-------------:|-------:|"""


async def run(fault: Fault, cluster: PatroniCluster, admin: Caller, replicas: list[httpx.AsyncClient]) -> Outcome:
    traffic = Traffic(admin, replicas)
    await traffic.start()
    await traffic.settle()
    began_at = time.monotonic()
    await fault(cluster)
    await traffic.settle()
    await cluster.repair()
    await traffic.settle()
    silence = traffic.longest_silence(began_at)
    await traffic.stop()
    connection = await cluster.connect()
    stored = {name for (name,) in await connection.fetch("SELECT name FROM permissions")}
    await connection.close()
    return Outcome(
        fault=fault.__name__.replace("_", " "),
        silence=silence,
        acknowledged=len(traffic.acknowledged),
        lost=len(traffic.acknowledged - stored),
        questions=traffic.questions,
        wrong_allows=traffic.wrong_allows,
        unexpected=traffic.unexpected,
    )


async def drill(names: list[str]) -> bool:
    """Whether everything was as it must be."""
    cluster = PatroniCluster(make_reachable_directory())
    is_good = True
    with TemporaryDirectory() as directory:
        try:
            await cluster.start()
            async with AsyncExitStack() as stack:
                environ = service_environ(cluster.database, **ENVIRON)
                # Logs tell of refusals that could not be recorded while the database was away.
                start = partial(running_service, directory=Path(directory), may_log_tracebacks=True)
                first = await stack.enter_async_context(start(environ))
                environ |= {"CMS_PUBLIC_URL": first.url}
                second = await stack.enter_async_context(start(environ))
                replicas = [await stack.enter_async_context(each.client()) for each in (first, second)]
                admin = await sign_in(replicas[0], first.admin_email, first.admin_password)
                print(HEAD, flush=True)
                for fault in FAULTS:
                    if fault.__name__ in names:
                        outcome = await run(fault, cluster, admin, replicas)
                        print(outcome, *sorted(set(outcome.unexpected))[:3], sep="\n", flush=True)
                        is_good &= outcome.is_good
                for restore in BACKUPS:
                    if restore.__name__ in names:
                        await restore(cluster, admin, Path(directory))
                        print(f"\n{restore.__name__}: restored, and in use", flush=True)
        finally:
            cluster.stop()
    return is_good


def main() -> None:
    steps = [step.__name__ for step in (*FAULTS, *BACKUPS)]
    parser = argparse.ArgumentParser(prog="just drill", description=__doc__)
    parser.add_argument("step", nargs="*", choices=[[], *steps], help=f"of {', '.join(steps)} (all)")
    names = parser.parse_args().step or steps
    if not asyncio.run(drill(names)):
        sys.exit(1)


if __name__ == "__main__":
    main()
