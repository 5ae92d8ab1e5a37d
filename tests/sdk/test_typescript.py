"""The TypeScript client of `just sdk`, driven from Node.js by what is in `driver`."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.fixtures import Service
from tests.sdk.callers import registered, tokens_of
from tests.sdk.conftest import CLIENTS, EXAMPLES

DRIVER = Path(__file__).parent / "driver"
SECONDS = 300


def run(directory: Path, *command: str, **environ: str) -> str:
    process = subprocess.run(  # noqa: S603 - our own program
        command,
        cwd=directory,
        env={"PATH": os.environ["PATH"], **environ},  # noqa: TID251 - where Node.js is
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def program() -> Path:
    """The driver and the code of the guide, compiled against the client as a package."""
    directory = CLIENTS / "driver"
    for source in (*DRIVER.iterdir(), *EXAMPLES.glob("sdk_*.ts")):
        shutil.copy(source, directory)
    run(directory, "node", "node_modules/typescript/bin/tsc")
    return directory


def test_driver_meets_no_surprise(service: Service, expired: Callable[[str], str], program: Path) -> None:
    tokens = tokens_of(service, registered(service).email)
    tokens.access_token = expired(tokens.access_token)
    said = run(
        program,
        "node",
        "out/main.js",
        SERVICE_URL=service.url,
        ADMIN_EMAIL=service.admin_email,
        ADMIN_PASSWORD=service.admin_password,
        EXPIRED=msgspec.json.encode(tokens.to_dict()).decode(),
    )
    print(said.splitlines()[-1])  # noqa: T201 - how much was tried
    assert said.splitlines()[-1].startswith("TypeScript: ")
