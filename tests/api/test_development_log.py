"""The lines that a developer reads in the terminal."""

import inspect
import re
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from granian.server import common

from cms_service.core.config.logging import PlainWords
from tests.eventually import eventually
from tests.factories import unique
from tests.fixtures import Caller, DatabaseFactory, Service, ServiceFactory


async def line_of(service: Service, request_id: str) -> str:
    """The line of the request, without colours. It is written after the answer."""

    async def find() -> str | None:
        lines = service.log.read_text().splitlines()
        return next((line for line in lines if f"request_id={request_id}" in line), None)

    line = await eventually(find)
    assert line is not None
    return re.sub(r"\x1b\[[\d;]*m", "", line)


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/api/v1/userz", "code=not_found path=/api/v1/userz status=404"),
        ("GET", "/nowhere?password=s3cr3t", "code=not_found path=/nowhere status=404"),
        ("GET", "/api/v1/users/1234/role", "code=not_found path=/api/v1/users/…/role status=404"),
        ("GET", "/.well-known/openid-configuration", "path=/.well-known/openid-configuration status=404"),
        ("GET", f"/{'x' * 25}/", "code=not_found path=/…/ status=404"),
        ("GET", "/a/b/c/d/e/f/g/h/i/j", "code=not_found path=/a/b/c/d/e/f/g/… status=404"),
        ("GET", "/a%1b[31mb", "code=not_found path=/… status=404"),
        ("GET", "/health/nope", "code=not_found path=/health/nope status=404"),
        ("PUT", "/api/v1/auth/login", "code=method_not_allowed path=/api/v1/auth/login status=405"),
        ("POST", "/api/v1/auth/token", "code=invalid_request path=/api/v1/auth/token status=400"),
        ("GET", "/api/v1/users/me", "code=authentication_required path=/api/v1/users/me status=401"),
    ],
)
async def test_line_says_which_path_was_refused_for_what(
    client: httpx.AsyncClient, service: Service, method: str, path: str, shown: str
) -> None:
    request_id = unique("request")

    await client.request(method, path, headers={"X-Request-ID": request_id})

    line = await line_of(service, request_id)
    for part in shown.split(" "):
        assert f" {part} " in f"{line} ", line


async def test_line_has_the_plain_id_of_the_caller(admin: Caller, service: Service) -> None:
    request_id = unique("request")

    await admin.get(f"/api/v1/users/{uuid4()}", headers={"X-Request-ID": request_id})

    assert f"subject_id={admin.id}" in await line_of(service, request_id)


async def test_server_ends_without_a_joke(fresh_database: DatabaseFactory, service_factory: ServiceFactory) -> None:
    service = await service_factory(await fresh_database(), log_format="json")
    await service.stop()

    log = service.log.read_text()

    assert '"event":"Stopped"' in log
    assert "see ya" not in log


def test_words_that_are_replaced_are_those_of_the_server() -> None:
    source = Path(inspect.getsourcefile(common) or "").read_text()

    assert [words for words in PlainWords._WORDS if words not in source] == []
