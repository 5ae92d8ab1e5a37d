"""What is asked on every request: who it is, and whether they may."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

import httpx
import msgspec

from cms_service.app import create_app
from cms_service.core.config import Settings
from cms_service.services import AccessTokenReader
from tests.benchmarks.bench import CONNECTIONS, Bench
from tests.benchmarks.figures import Figures
from tests.benchmarks.load import Load
from tests.benchmarks.report import Row
from tests.benchmarks.servers import serving_guarded

BATCH = 50
READS = 20_000
BARE_ROUTE = "bare Litestar route, same answer"


def guarded(bench: Bench) -> Iterator[Row]:
    """A route that asks for a permission and answers without a row; the service has none, so one is added to it."""
    with serving_guarded(bench.database.url, bench.log) as server:
        load = Load(f"{server.url}/guarded", CONNECTIONS, bench.admin_token)
        bare, served = bench.in_turn(bench.of_limit("/guarded"), lambda: bench.load(server, load))
    yield Row("a guarded route that needs no row", BARE_ROUTE, bare, served, connections=CONNECTIONS)


def evaluation(bench: Bench) -> Iterator[Row]:
    """Whether somebody may, asked by an administrator about the same user again and again."""
    body = _question(bench, "post-1")
    _require_yes(bench, "/access/evaluation", body)
    bare, served = bench.in_turn(
        bench.of_limit("/evaluation", bodies=[_json(body)]),
        bench.of_service("/access/evaluation", access_token=bench.admin_token, bodies=[_json(body)]),
    )
    yield Row("POST /access/evaluation", f"{BARE_ROUTE} and body", bare, served, connections=CONNECTIONS)


def batch(bench: Bench) -> Iterator[Row]:
    """Many questions in one request, in the short form and in the long one."""
    single = _question(bench, "post-1")
    questions = [_question(bench, f"post-{number}") for number in range(BATCH)]
    resources = [{"resource": question["resource"]} for question in questions]
    bodies = {
        "resources": {"subject": single["subject"], "action": single["action"], "evaluations": resources},
        "whole questions": {"evaluations": questions},
    }
    for body in bodies.values():
        _require_yes(bench, "/access/evaluations", body)
    alone, *batches = bench.in_turn(
        bench.of_service("/access/evaluation", access_token=bench.admin_token, bodies=[_json(single)]),
        *(
            bench.of_service("/access/evaluations", access_token=bench.admin_token, bodies=[_json(body)])
            for body in bodies.values()
        ),
    )
    for kind, answered in zip(bodies, batches, strict=True):
        decided = msgspec.structs.replace(answered, value=BATCH * answered.value)
        work = f"POST /access/evaluations, {BATCH} {kind}"
        yield Row(work, "POST /access/evaluation", alone, decided, unit="decisions/s", connections=CONNECTIONS)


def token(bench: Bench) -> Iterator[Row]:
    """Recognising an access token, in this process, without HTTP around it."""
    access_token = bench.admin_token

    def digest() -> Figures:
        started_at = time.perf_counter()
        for _ in range(READS):
            sha256(access_token.encode()).digest()
        return Figures((time.perf_counter() - started_at) / READS * 1e6)

    def reader() -> Figures:
        return asyncio.run(_read_again(bench.settings, access_token))

    hashed, read = bench.in_turn(digest, reader)
    yield Row("an access token that was seen before", "its SHA-256", hashed, read, unit="µs")


async def _read_again(settings: Settings, access_token: str) -> Figures:
    state = create_app(settings).litestar.state
    reader: AccessTokenReader = state.token_reader
    try:
        await reader.read(access_token)
        started_at = time.perf_counter()
        for _ in range(READS):
            await reader.read(access_token)
        return Figures((time.perf_counter() - started_at) / READS * 1e6)
    finally:
        state.hasher.close()
        await state.engine.dispose()


def _question(bench: Bench, resource_id: str) -> dict[str, Mapping[str, str]]:
    return {
        "subject": {"type": "user", "id": str(bench.database.an_editor_id)},
        "action": {"name": "publish"},
        "resource": {"type": "articles", "id": resource_id},
    }


def _require_yes(bench: Bench, path: str, body: Any) -> None:
    """wrk looks at the status only."""
    answer = httpx.post(
        f"{bench.service.url}/api/v1{path}", json=body, headers={"Authorization": f"Bearer {bench.admin_token}"}
    )
    answer.raise_for_status()
    if '"decision":true' not in answer.text or '"decision":false' in answer.text:
        raise RuntimeError(f"{path} does not permit what it should: {answer.text}")


def _json(body: Any) -> str:
    return msgspec.json.encode(body).decode()
