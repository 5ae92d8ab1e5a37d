"""The TypeScript client of `just sdk`, driven from Node.js by what is in `driver`."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.fixtures import Service
from tests.sdk.callers import registered, tokens_of
from tests.sdk.conftest import CLIENTS, EXAMPLES
from tests.sdk.node import compiled, run

DRIVER = Path(__file__).parent / "driver"


@pytest.fixture(scope="module")
def program() -> Path:
    """The driver and the code of the guide, compiled against the client as a package."""
    return compiled(CLIENTS / "driver", *DRIVER.iterdir(), *EXAMPLES.glob("sdk_*.ts"))


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
