"""Types that openapi-typescript makes of openapi.json, and openapi-fetch with them: the program in `openapi_fetch`."""

from pathlib import Path

import pytest

from tests.fixtures import Service
from tests.sdk.conftest import CLIENTS, EXAMPLES
from tests.sdk.node import compiled, run

PROGRAM = Path(__file__).parent / "openapi_fetch"
DRIVER = Path(__file__).parent / "driver"


@pytest.fixture(scope="module")
def program() -> Path:
    """The program and the code of the guide, compiled against the types."""
    shared = (DRIVER / "tally.ts", DRIVER / "tsconfig.json")
    return compiled(CLIENTS / "openapi-fetch", *PROGRAM.iterdir(), *shared, EXAMPLES / "openapi_fetch.ts")


def test_program_meets_no_surprise(service: Service, program: Path) -> None:
    said = run(
        program,
        "node",
        "out/main.js",
        SERVICE_URL=service.url,
        ADMIN_EMAIL=service.admin_email,
        ADMIN_PASSWORD=service.admin_password,
    )
    print(said.splitlines()[-1])  # noqa: T201 - how much was tried
    assert said.splitlines()[-1].startswith("TypeScript: ")
