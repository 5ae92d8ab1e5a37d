"""What the items of one run share: the servers, the data, and how load is measured."""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count
from typing import IO, TypeAlias

import httpx

from tests.benchmarks.database import PASSWORD, Database, email_of
from tests.benchmarks.figures import Figures, medians
from tests.benchmarks.load import Load, send
from tests.benchmarks.servers import Server, service_settings

ADMIN_EMAIL = "admin@bench.example.org"
CONNECTIONS = 16
LOGIN_CONNECTIONS = 32
LONGEST_QUEUE_SECONDS = 60
DISTINCT_LOGINS = 500

Subject: TypeAlias = Callable[[], Figures]


class Bench:
    """One run: the servers, the data, and how long everything may take."""

    def __init__(
        self, *, database: Database, service: Server, limits: Server, log: IO[bytes], rounds: int, seconds: float
    ) -> None:
        self.database = database
        self.service = service
        self.limits = limits
        self.log = log
        self.rounds = rounds
        self.seconds = seconds
        self.settings = service_settings(database.url)
        self._numbers = count()

    def in_turn(self, *subjects: Subject) -> list[Figures]:
        """The medians of each subject, measured one after the other, round by round."""
        measured = [[subject() for subject in subjects] for _ in range(self.rounds)]
        return [medians(figures) for figures in zip(*measured, strict=True)]

    def load(self, server: Server, load: Load) -> Figures:
        """The figures of `server` under `load`."""
        cpu_before = server.cpu_seconds()
        result = send(load, self.seconds)
        cpu_seconds = server.cpu_seconds() - cpu_before
        return Figures(
            value=result.requests / result.seconds,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            cpu_microseconds=cpu_seconds / max(1, result.requests) * 1e6,
            errors=result.errors,
        )

    def of_service(
        self, path: str, *, access_token: str, connections: int = CONNECTIONS, bodies: Sequence[str] = ()
    ) -> Subject:
        load = Load(f"{self.service.url}/api/v1{path}", connections, access_token, bodies)
        return lambda: self.load(self.service, load)

    def of_limit(self, path: str, *, bodies: Sequence[str] = ()) -> Subject:
        load = Load(f"{self.limits.url}{path}", CONNECTIONS, bodies=bodies)
        return lambda: self.load(self.limits, load)

    @cached_property
    def admin_token(self) -> str:
        return self.sign_in(ADMIN_EMAIL)

    @cached_property
    def member_token(self) -> str:
        return self.sign_in(email_of(0))

    def sign_in(self, email: str, server: Server | None = None) -> str:
        """The access token of a new session."""
        answer = httpx.post(
            f"{(server or self.service).url}/api/v1/auth/login",
            json={"email": email, "password": PASSWORD},
            timeout=LONGEST_QUEUE_SECONDS,
        )
        access_token: str = answer.raise_for_status().json()["access_token"]
        return access_token

    def drain(self) -> None:
        """No password waits to be hashed: clients that have gone leave theirs in the queue, and this one comes last."""
        self.sign_in(self.next_email())

    def next_email(self) -> str:
        """Each account in turn."""
        return email_of(next(self._numbers) % self.database.user_count)

    def logins(self, connections: int, server: Server | None = None) -> Load:
        """Sign-ins of distinct accounts."""
        bodies = [_login_of(self.next_email()) for _ in range(DISTINCT_LOGINS)]
        return Load(f"{(server or self.service).url}/api/v1/auth/login", connections, bodies=bodies)


def _login_of(email: str) -> str:
    return json.dumps({"email": email, "password": PASSWORD})
