"""What people do with their accounts, and administrators with those of others."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import msgspec

from cms_service.core.security import CursorCodec, RefreshTokenCodec, derive_key
from tests.benchmarks.bench import CONNECTIONS, LOGIN_CONNECTIONS, Bench, Subject
from tests.benchmarks.database import SESSION_SECRET
from tests.benchmarks.figures import Figures
from tests.benchmarks.hashing import verify_in_a_loop
from tests.benchmarks.load import Load, sending
from tests.benchmarks.report import Row

FEW_CONNECTIONS = 8
SPARE_TOKENS = 8
"""wrk takes a request to look at it and one for each connection before the first answer."""
HEAD_START_SECONDS = 0.5


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


def _beside_one_row(bench: Bench, work: str, service: Subject) -> Iterator[Row]:
    plain, one_row, served = bench.in_turn(
        bench.of_limit("/plain"), bench.of_limit(f"/row/{bench.database.a_user_id}"), service
    )
    yield Row(work, "bare Litestar route, same answer", plain, served, connections=CONNECTIONS)
    yield Row(work, "Litestar + asyncpg, one row", one_row, served, connections=CONNECTIONS)
