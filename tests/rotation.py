"""Tokens that are issued, and verified by everybody, while the keys under them change."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt

from tests.eventually import eventually
from tests.fixtures import Caller, Database, Service, ServiceFactory, sign_in
from tests.unit.test_cli import run

GUIDE = Path(__file__).parents[1] / "docs/guides/verify-tokens.md"
ISSUER = "https://accounts.example.org"
ME = "/api/v1/users/me"
PAUSE_SECONDS = 0.05
"""Between two tokens, and between two checks. It leaves the service enough CPU to rotate its keys on time."""
AHEAD_SECONDS = "8"
AHEAD = {"public_url": ISSUER, "signing_key_ahead_seconds": AHEAD_SECONDS}


class OfflineVerifier(Protocol):
    async def refusal(self, token: str) -> str | None:
        """Why the token is refused; None where it is not."""


def snippet(language: str, service: Service, *, cache_seconds: int) -> str:
    """The verifier of the guide, as it is there, for another address and with another age of its cache."""
    code: str
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    issuer = "{ISSUER}" if language == "python" else "${ISSUER}"
    for old, new in (
        (f"{issuer}/.well-known", f"{service.url}/.well-known"),
        ("CACHE_SECONDS = 300", f"CACHE_SECONDS = {cache_seconds}"),
    ):
        assert code.count(old) == 1, f"{old!r} in the {language} code of the guide"
        code = code.replace(old, new)
    return code


class PyJwtVerifier:
    """The Python code of the guide."""

    def __init__(self, service: Service, *, cache_seconds: int) -> None:
        self._names: dict[str, Any] = {}
        exec(snippet("python", service, cache_seconds=cache_seconds), self._names)  # noqa: S102 - that is the test

    async def refusal(self, token: str) -> str | None:
        try:
            await asyncio.to_thread(self._names["verify"], token)
        except jwt.PyJWTError as error:
            return f"{type(error).__name__}: {error}"
        return None


class Ledger:
    """Every token that was issued, and every one that was refused although it was good."""

    def __init__(self, replicas: Sequence[Service], verifiers: Sequence[OfflineVerifier]) -> None:
        self._replicas = replicas
        self._verifiers = verifiers
        self._is_closed = False
        self.tokens: list[str] = []
        self.refused: list[str] = []
        self.checks = 0

    @property
    def kids(self) -> list[str]:
        """Which keys signed, in the order of their first tokens."""
        return list(dict.fromkeys(key_of(token) for token in list(self.tokens)))

    async def wait_for_keys(self, count: int) -> None:
        async def have_signed() -> bool:
            return len(self.kids) >= count

        await eventually(have_signed)

    async def wait_for_checks(self, count: int) -> None:
        enough = self.checks + count

        async def were_made() -> bool:
            return self.checks >= enough

        await eventually(were_made)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["Ledger"]:
        """Tokens are issued and verified until the block ends."""
        async with asyncio.TaskGroup() as group:
            for service in self._replicas:
                group.create_task(self._issue(service))
            await self.wait_for_keys(1)
            group.create_task(self._check())
            yield self
            self._is_closed = True

    async def _issue(self, service: Service) -> None:
        async with anonymous(service) as http:
            caller = await sign_in(http, service.admin_email, service.admin_password)
        self.tokens.append(caller.access_token)
        refresh_token = caller.refresh_token
        while not self._is_closed:
            async with anonymous(service) as http:
                response = await http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})
            assert response.status_code == 200, response.text
            refresh_token = response.json()["refresh_token"]
            self.tokens.append(response.json()["access_token"])
            await asyncio.sleep(PAUSE_SECONDS)

    async def _check(self) -> None:
        """The youngest token by everybody, and one of any age."""
        while not self._is_closed:
            for token in (self.tokens[-1], random.choice(self.tokens)):  # noqa: S311 - no secret
                answers = await asyncio.gather(
                    *(refusal(service, token) for service in self._replicas),
                    *(verifier.refusal(token) for verifier in self._verifiers),
                )
                self.refused += [f"{key_of(token)}: {answer}" for answer in answers if answer is not None]
                self.checks += len(answers)
            await asyncio.sleep(PAUSE_SECONDS)


def anonymous(service: Service) -> httpx.AsyncClient:
    """A connection of its own, so that any worker may answer."""
    return service.client(headers={"Connection": "close"})


async def refusal(service: Service, token: str) -> str | None:
    """Why the service refuses the token; None where it does not."""
    async with anonymous(service) as http:
        response = await http.get(ME, headers={"Authorization": f"Bearer {token}"})
    return None if response.status_code == 200 else response.text


def key_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def signed_in(service: Service) -> Caller:
    async with anonymous(service) as http:
        return await sign_in(http, service.admin_email, service.admin_password)


async def keys(database: Database, *arguments: str, **overrides: str) -> str:
    outcome = await run(database, "keys", *arguments, **AHEAD, **overrides)
    assert outcome.code == 0, outcome.err
    return outcome.out


def quick(service_factory: ServiceFactory) -> partial[Coroutine[Any, Any, Service]]:
    """Starts replicas of one service, whose keys need not wait for a day."""
    return partial(service_factory, public_url=ISSUER, signing_key_ahead_seconds=AHEAD_SECONDS)


async def columns(database: Database) -> list[list[str]]:
    """Of each key its id, algorithm and state."""
    return [line.split()[:3] for line in (await keys(database, "list")).splitlines()[1:]]
