"""The TypeScript code of the guide, with jose on Node.js. `just test-verifiers` installs what it needs."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import jwt
import pytest

from tests.fixtures import DatabaseFactory, Service, ServiceFactory
from tests.rotation import ISSUER, Ledger, OfflineVerifier, PyJwtVerifier, signed_in, snippet

INSTALLED = Path(__file__).parents[2] / "build/verifiers"
LOOP = """
import { createInterface } from "node:readline";
import { verify } from "./verify.js";

for await (const token of createInterface({ input: process.stdin })) {
  console.log(await verify(token).then(() => "", (error) => `${error.code}: ${error.message}`));
}
"""


class JoseVerifier:
    """A process that reads tokens and answers why they are refused."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def refusal(self, token: str) -> str | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(f"{token}\n".encode())
            answer = await self._process.stdout.readline()
        assert answer.endswith(b"\n"), "the verifier has ended"
        return answer.decode().rstrip("\n") or None


@asynccontextmanager
async def jose(service: Service, name: str, *, cache_seconds: int) -> AsyncIterator[JoseVerifier]:
    directory = INSTALLED / name
    directory.mkdir(exist_ok=True)
    (directory / "verify.ts").write_text(snippet("ts", service, cache_seconds=cache_seconds))
    (directory / "main.mjs").write_text(LOOP)
    compile_ = ["node", str(INSTALLED / "node_modules/typescript/bin/tsc"), "--strict", "--noEmitOnError"]
    compile_ += ["--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "verify.ts"]
    compiled = await asyncio.to_thread(
        subprocess.run, compile_, cwd=directory, check=False, capture_output=True, text=True
    )
    assert compiled.returncode == 0, compiled.stdout
    process = await asyncio.create_subprocess_exec(
        "node", "main.mjs", cwd=directory, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    yield JoseVerifier(process)
    process.stdin.close()
    await process.wait()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
async def test_no_token_is_refused_through_a_whole_rotation(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory, algorithm: str
) -> None:
    database = await fresh_database()
    start = partial(service_factory, public_url=ISSUER, signing_key_ahead_seconds="8", signing_key_seconds="12")
    replicas = [await start(database, workers="2", signing_algorithm=algorithm) for _ in range(2)]

    async with (
        jose(replicas[0], f"{algorithm}-0", cache_seconds=2) as one,
        jose(replicas[1], f"{algorithm}-1", cache_seconds=2) as other,
    ):
        verifiers: list[OfflineVerifier] = [
            one,
            other,
            *(PyJwtVerifier(service, cache_seconds=2) for service in replicas),
        ]
        async with Ledger(replicas, verifiers).kept() as ledger:
            await ledger.wait_for_keys(3)
            await ledger.wait_for_checks(60)
    assert ledger.refused == []
    assert {jwt.get_unverified_header(token)["alg"] for token in ledger.tokens} == {algorithm}


async def test_tokens_are_refused_when_they_are_not_what_they_should_be(
    fresh_database: DatabaseFactory, service_factory: ServiceFactory
) -> None:
    database = await fresh_database()
    service = await service_factory(database, public_url=ISSUER)
    elsewhere = await service_factory(database, public_url="https://elsewhere.example.org")
    good, foreign = (await signed_in(service)).access_token, (await signed_in(elsewhere)).access_token
    head, body, signature = good.split(".")
    bad = [foreign, f"{head}.{body}.{signature[::-1]}", f"{head}.{body}.", "a.b.c"]

    async with jose(service, "refusals", cache_seconds=1) as one:
        verifiers: list[OfflineVerifier] = [one, PyJwtVerifier(service, cache_seconds=1)]
        for verifier in verifiers:
            assert await verifier.refusal(good) is None
            assert all([await verifier.refusal(token) is not None for token in bad])
