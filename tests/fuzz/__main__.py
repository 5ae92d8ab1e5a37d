"""Schemathesis against a running service, as an administrator, as a member and as nobody: `just fuzz`.

Every caller gets a database and a service of its own. Exits with 1 where a check fails or the service logs a traceback.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.enumeration.accounts import server
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Service, service_environ
from tests.fuzz.callers import EMAILS, MAY_DO_ALL, PASSWORD, SERVICE

SEED = 20_261_123
EXAMPLES = 3
"""Of each operation in each phase."""
ACCOUNTS = {"administrator": 20, "member": 20, "nobody": 0}
"""Each caller has several: some operations end, rename or demote whoever calls them."""
COMMON_PASSWORD = "one of the many who call"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def main() -> None:
    parser = argparse.ArgumentParser(prog="just fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=[SEED], help=f"seeds ({SEED})")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"of each operation in each phase ({EXAMPLES})")
    parser.add_argument("--caller", choices=ACCOUNTS, nargs="+", default=list(ACCOUNTS), help="who calls (all)")
    arguments = parser.parse_args()
    failed = [
        f"{caller}, seed {seed}"
        for seed in arguments.seed
        for caller in arguments.caller
        if not _fuzz(caller, seed, arguments.examples)
    ]
    if failed:
        sys.exit(f"failed as {'; '.join(failed)}")


def _fuzz(caller: str, seed: int, examples: int) -> bool:
    """Whether nothing was found."""
    print(f"\n=== as {caller}, seed {seed}", flush=True)
    with _service() as service:
        emails = [_enrol(service, caller, number) for number in range(ACCOUNTS[caller])]
        command = [
            *("schemathesis", "--config-file", str(CONFIGURATION), "run", f"{service.url}/schema/openapi.json"),
            *("--seed", str(seed), "--max-examples", str(examples)),
            *("--continue-on-failure", "--no-color", "--warnings", "off"),
        ]
        hooks = {SERVICE: service.url, EMAILS: " ".join(emails), PASSWORD: COMMON_PASSWORD}
        hooks[MAY_DO_ALL] = "yes" if caller == "administrator" else ""
        environ = os.environ | hooks | {"SCHEMATHESIS_HOOKS": "tests.fuzz.callers"}
        is_sound = subprocess.run(command, env=environ, check=False).returncode == 0  # noqa: S603 - all of it is ours
        log = service.log.read_text()
    if "Traceback" in log:
        print(f"the service logged a traceback:\n{log[log.index('Traceback') - 1000 :][:5000]}")
        return False
    return is_sound


@contextmanager
def _service() -> Iterator[Service]:
    with server() as database, TemporaryDirectory() as directory:
        # An hour after a sign-in, the caller may still do what is sensitive.
        service = Service(service_environ(database), Path(directory))
        try:
            asyncio.run(service.wait_until_ready())
            yield service
        finally:
            asyncio.run(service.stop())


def _enrol(service: Service, caller: str, number: int) -> str:
    """One more account for the caller; its address."""
    email = f"{caller}-{number}@fuzz.example.org"
    with httpx.Client(base_url=f"{service.url}/api/v1") as http:
        body = {"email": email, "password": COMMON_PASSWORD, "display_name": "Mae Example"}
        user = http.post("/auth/register", json=body).raise_for_status().json()
        if caller == "administrator":
            login = http.post("/auth/login", json={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
            http.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access_token']}"
            roles = http.get("/roles", params={"q": caller}).raise_for_status().json()["items"]
            http.put(f"/users/{user['id']}/roles/{roles[0]['id']}", json={}).raise_for_status()
    return email


if __name__ == "__main__":
    main()
