"""Clients that write and ask without a pause, and know what they were answered."""

import asyncio
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx
import msgspec

from tests.api import given
from tests.factories import PermissionCreateFactory
from tests.faults.doomed import GUARDED, new_user
from tests.fixtures import Caller

WRITERS = 3
PAUSE_SECONDS = 0.05
STEADY_SECONDS = 3.0
PERMISSIONS = "/api/v1/permissions"


class Traffic:
    """Writers, and a subject whose role is given and withdrawn in turn while every replica is asked about it."""

    def __init__(self, admin: Caller, replicas: list[httpx.AsyncClient]) -> None:
        self._admin = admin
        self._replicas = replicas
        self.acknowledged: set[str] = set()
        """Names of permissions whose creation was answered."""
        self.statuses: Counter[int] = Counter()
        self.questions = 0
        self.wrong_allows = 0
        self.unexpected: list[str] = []
        self._acknowledged_at: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        subject = await new_user(self._admin)
        role = await given.role(self._admin, "permissions:read")
        path = f"/api/v1/users/{subject.id}/roles/{role['id']}"
        jobs = [self._withdraw_and_ask(subject, path), *(self._write() for _ in range(WRITERS))]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def settle(self) -> None:
        """Return when writes have been answered all the time for some seconds."""
        while True:
            await asyncio.sleep(STEADY_SECONDS)
            if self.longest_silence(time.monotonic() - STEADY_SECONDS) < STEADY_SECONDS / 3:
                return

    def longest_silence(self, since: float) -> float:
        """The most seconds without an answered write, from that moment of the monotonic clock until now."""
        moments = [since, *(moment for moment in self._acknowledged_at if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(moments))

    async def _write(self) -> None:
        while True:
            permission = PermissionCreateFactory.build()
            if await self._send("POST", PERMISSIONS, msgspec.to_builtins(permission)):
                self.acknowledged.add(permission.name)
                self._acknowledged_at.append(time.monotonic())
            await asyncio.sleep(PAUSE_SECONDS)

    async def _withdraw_and_ask(self, subject: Caller, path: str) -> None:
        while True:
            await self._send("PUT", path, {})
            if await self._send("DELETE", path, None):
                await asyncio.gather(*(self._ask(http, subject) for http in self._replicas for _ in range(5)))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, method: str, path: str, body: Any) -> bool:
        """Whether it was answered that it is done."""
        try:
            response = await self._admin.request(method, path, json=body, if_match="*")
        except httpx.TransportError as error:
            self.unexpected.append(repr(error))
            return False
        self.statuses[response.status_code] += 1
        if response.status_code >= 500 and response.status_code != 503:
            self.unexpected.append(response.text)
        return response.is_success

    async def _ask(self, http: httpx.AsyncClient, subject: Caller) -> None:
        response = await http.get(GUARDED, headers={"Authorization": f"Bearer {subject.access_token}"})
        self.questions += 1
        self.wrong_allows += response.is_success
        if response.status_code not in {200, 403, 503}:
            self.unexpected.append(response.text)
