"""The health check of the image, as it stands in the Containerfile."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.fixtures import Service

CONTAINERFILE = Path(__file__).parents[2] / "Containerfile"


def health_check() -> list[str]:
    """The arguments of the command, without its name `python`."""
    found = re.search(r"^HEALTHCHECK .*? CMD (\[.*?\])$", CONTAINERFILE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    command: list[str] = json.loads(found[1].replace("\\\n", ""))
    assert command[0] == "python"
    return command[1:]


async def check(port: str, *arguments: str) -> tuple[int | None, str]:
    """The exit code of the health check, or of Python with other arguments, and its standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *(arguments or health_check()), env={"CMS_PORT": port}, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()
    return process.returncode, complaint.decode()


async def test_container_is_healthy_when_the_service_answers(service: Service) -> None:
    assert await check(str(service.port)) == (0, "")
    assert await check(f" {service.port}\n") == (0, "")


async def test_container_is_unhealthy_when_nobody_listens() -> None:
    code, complaint = await check("1")

    assert code == 1
    assert "ConnectionRefusedError" in complaint


@pytest.mark.parametrize("port", ["tcp://10.96.0.7:80", ""])
async def test_health_check_asks_port_8000_when_the_variable_is_no_number(port: str) -> None:
    """Kubernetes sets such a variable for a Service named `cms`."""
    option, program = health_check()
    connect, timeout = "http.client.HTTPConnection(", ", timeout=2)"
    assert connect in program
    assert timeout in program

    code, said = await check(port, option, program.replace(connect, "sys.exit((").replace(timeout, "))"))

    assert (code, said) == (1, "('127.0.0.1', 8000)\n")
