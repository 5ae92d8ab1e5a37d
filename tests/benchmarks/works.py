"""What is measured, one function for each item."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import count, islice
from typing import IO
from uuid import UUID

import httpx
import msgspec

from cms_service.core.security import CursorCodec, RefreshTokenCodec, derive_key
from tests.benchmarks.database import PASSWORD, SESSION_SECRET, Database, email_of
from tests.benchmarks.figures import Figures, medians
from tests.benchmarks.hashing import verify_in_a_loop
from tests.benchmarks.load import Load, send, sending
from tests.benchmarks.report import Row
from tests.benchmarks.servers import Server, service_settings, serving_limits, serving_service

ADMIN_EMAIL = "admin@bench.example.org"
CONNECTIONS = 16
FEW_CONNECTIONS = 8
LOGIN_CONNECTIONS = 32
SPARE_TOKENS = 8
"""wrk takes a request to look at it and one for each connection before the first answer."""
HEAD_START_SECONDS = 0.5
LONGEST_QUEUE_SECONDS = 60
DISTINCT_LOGINS = 500

Subject = Callable[[], Figures]


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

    def of_service(self, path: str, *, access_token: str, connections: int = CONNECTIONS) -> Subject:
        load = Load(f"{self.service.url}/api/v1{path}", connections, access_token)
        return lambda: self.load(self.service, load)

    def of_limit(self, path: str) -> Subject:
        load = Load(f"{self.limits.url}{path}", CONNECTIONS)
        return lambda: self.load(self.limits, load)

    @cached_property
    def admin_token(self) -> str:
        return self.sign_in(ADMIN_EMAIL)

    @cached_property
    def member_token(self) -> str:
        return self.sign_in(email_of(0))

    def sign_in(self, email: str) -> str:
        """The access token of a new session."""
        answer = httpx.post(
            f"{self.service.url}/api/v1/auth/login",
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


def me(bench: Bench) -> Iterator[Row]:
    """One's own account."""
    service = bench.of_service("/users/me", access_token=bench.member_token)
    yield from _beside_one_row(bench, "GET /users/me", service)


def user(bench: Bench) -> Iterator[Row]:
    """Somebody's account, for an administrator."""
    service = bench.of_service(f"/users/{bench.database.a_user_id}", access_token=bench.admin_token)
    yield from _beside_one_row(bench, "GET /users/{id}, permission checked", service)


def login(bench: Bench) -> Iterator[Row]:
    """Signing in, each time somebody else."""
    threads = bench.settings.hash_concurrency

    def service() -> Figures:
        figures = bench.load(bench.service, bench.logins(CONNECTIONS))
        bench.drain()
        return figures

    loop, logins = bench.in_turn(lambda: verify_in_a_loop(bench.seconds, threads), service)
    yield Row("POST /auth/login", f"bare Argon2id, {threads} threads", loop, logins, connections=CONNECTIONS)


def refresh(bench: Bench) -> Iterator[Row]:
    """Each connection goes on with the token that the answer before gave it; each round begins with sessions anew."""
    tokens = RefreshTokenCodec(derive_key(bench.settings.secret_key, "refresh-tokens"))
    unused = iter(bench.database.session_ids)

    def take() -> list[UUID]:
        return list(islice(unused, CONNECTIONS + SPARE_TOKENS))

    def limit() -> Figures:
        bodies = [json.dumps({"id": str(session_id)}) for session_id in take()]
        return bench.load(bench.limits, Load(f"{bench.limits.url}/rotation", CONNECTIONS, bodies=bodies))

    def service() -> Figures:
        first = [tokens.encode(session_id, SESSION_SECRET, 0) for session_id in take()]
        bodies = [json.dumps({"refresh_token": token}) for token in first]
        url = f"{bench.service.url}/api/v1/auth/refresh"
        return bench.load(bench.service, Load(url, CONNECTIONS, bodies=bodies, successors="successors"))

    update, rotation = bench.in_turn(limit, service)
    yield Row("POST /auth/refresh", "Litestar + asyncpg UPDATE … RETURNING", update, rotation, connections=CONNECTIONS)


def listing(bench: Bench) -> Iterator[Row]:
    """Pages of 20 of all accounts, in the order of their age."""
    cursors = CursorCodec(derive_key(bench.settings.secret_key, "cursors"))
    cursor = cursors.encode("users/created_at", bench.database.before_last_page)
    first, last = bench.in_turn(
        bench.of_service("/users?limit=20", access_token=bench.admin_token),
        bench.of_service(f"/users?limit=20&cursor={cursor}", access_token=bench.admin_token),
    )
    work = f"20 of {bench.database.user_count:,} users: last page"
    yield Row(work, "the same: first page", first, last, connections=CONNECTIONS)


def login_storm(bench: Bench) -> Iterator[Row]:
    """One's own account, while others sign in."""
    alone = bench.of_service("/users/me", access_token=bench.member_token, connections=FEW_CONNECTIONS)

    def during_logins() -> Figures:
        with sending(bench.logins(LOGIN_CONNECTIONS), bench.seconds + 2 * HEAD_START_SECONDS) as logins:
            time.sleep(HEAD_START_SECONDS)
            figures = alone()
            errors = figures.errors + logins().errors
        bench.drain()
        # The processor time includes the hashing: it says nothing about this request.
        return msgspec.structs.replace(figures, cpu_microseconds=None, errors=errors)

    quiet, stormy = bench.in_turn(alone, during_logins)
    work = f"GET /users/me while {LOGIN_CONNECTIONS} connections log in"
    yield Row(work, "the same: alone", quiet, stormy, connections=FEW_CONNECTIONS)


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
    """Processes of their own, before and after they had something to do."""
    with serving_limits(bench.database.url, bench.log) as limits, serving_service(bench.database.url, bench.log) as own:
        before = Figures(limits.memory_mib()), Figures(own.memory_mib())
        send(Load(f"{limits.url}/row/{bench.database.a_user_id}", CONNECTIONS), bench.seconds)
        send(Load(f"{own.url}/api/v1/users/me", CONNECTIONS, bench.member_token), bench.seconds)
        send(bench.logins(LOGIN_CONNECTIONS, own), bench.seconds)
        after = Figures(limits.memory_mib()), Figures(own.memory_mib())
    for moment, (limit, service) in {"after start": before, "after load": after}.items():
        yield Row(f"memory of a worker {moment}", "bare Litestar route", limit, service, unit="MiB")


WORKS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    work.__name__.replace("_", "-"): work for work in (me, user, login, refresh, listing, login_storm, start, memory)
}


def _beside_one_row(bench: Bench, work: str, service: Subject) -> Iterator[Row]:
    plain, one_row, served = bench.in_turn(
        bench.of_limit("/plain"), bench.of_limit(f"/row/{bench.database.a_user_id}"), service
    )
    yield Row(work, "bare Litestar route, same answer", plain, served, connections=CONNECTIONS)
    yield Row(work, "Litestar + asyncpg, one row", one_row, served, connections=CONNECTIONS)


def _login_of(email: str) -> str:
    return json.dumps({"email": email, "password": PASSWORD})
