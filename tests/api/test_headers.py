"""What every answer carries, as it arrives through the real server."""

import asyncio
import json
import re

import httpx
import pytest

from tests.api.operations import LITESTAR
from tests.factories import unique
from tests.fixtures import Database, Service, ServiceFactory

SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
PUBLIC_PATHS = [route.path for route in LITESTAR.routes if "{" not in route.path and not route.path.startswith("/api/")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("HEAD", "/health/live", 200),
        ("OPTIONS", "/health/live", 204),
        ("GET", "/nope", 404),
        ("GET", "/api/v1//users/me", 404),
        ("PUT", "/health/live", 405),
        ("BREW", "/health/live", 405),
        ("GET", "/api/v1/users/me", 401),
        ("POST", "/api/v1/auth/login", 400),
    ],
)
async def test_answer_is_safe_and_tells_its_request_id_whatever_it_is(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    request_id = unique("request")

    response = await client.request(method, path, headers={"X-Request-ID": request_id})

    assert response.status_code == status
    assert SAFE.items() <= dict(response.headers).items()
    assert response.headers.get_list("x-request-id") == [request_id]


async def test_request_id_is_another_for_each_request_when_none_is_sent(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/health/live")).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a;b", 'a"b', "é".encode()])
async def test_request_id_is_replaced_when_it_could_do_harm(client: httpx.AsyncClient, sent: str | bytes) -> None:
    response = await client.get(
        "/health/live", headers=[(b"X-Request-ID", sent if isinstance(sent, bytes) else sent.encode())]
    )

    assert response.headers["x-request-id"] not in {sent, ""}


@pytest.mark.parametrize("path", ["/health/live", "/.well-known/jwks.json", "/nope"])
async def test_head_has_the_headers_of_get_and_no_body(client: httpx.AsyncClient, path: str) -> None:
    get, head = await client.get(path), await client.head(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/api/v1/users", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/auth/login", "OPTIONS, POST"),
    ],
)
async def test_methods_are_told_when_another_is_tried_and_when_asked(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    refused, asked = await client.request("PUT", path), await client.options(path)

    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert (asked.status_code, asked.headers["allow"]) == (204, allowed)


async def test_no_page_may_call_when_no_origin_is_configured(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://evil.example.org", "Access-Control-Request-Method": "GET"}

    for response in (
        await client.get("/health/live", headers=headers),
        await client.options("/health/live", headers=headers),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_cacheable_answer_varies_by_origin_when_origins_are_configured(
    database: Database, service_factory: ServiceFactory
) -> None:
    known = "https://app.example.org"
    shared = await service_factory(database, cors_origins=known)
    cacheable = set()

    async with shared.client() as http:
        assets = re.findall(r'"(/schema/assets/[^"]+)"', (await http.get("/schema")).text)
        for path in [*PUBLIC_PATHS, *assets]:
            for origin in (known, "https://other.example.org", None):
                sent = {"Origin": origin} if origin else {}
                answer = await http.get(path, headers=sent)
                if "public" not in answer.headers["cache-control"]:
                    continue
                cacheable.add(path)
                unchanged = await http.get(path, headers={**sent, "If-None-Match": answer.headers.get("etag", "*")})
                for each in (answer, await http.head(path, headers=sent), unchanged):
                    assert each.headers.get_list("vary") == ["Origin"], (path, origin, each.status_code)
                    assert each.headers.get("access-control-allow-origin") == (origin if origin == known else None)
                assert unchanged.status_code == (304 if "etag" in answer.headers else 200)

    documents = ("jwks.json", "oauth-authorization-server", "authzen-configuration")
    assert cacheable == {f"/.well-known/{name}" for name in documents} | set(assets)
    assert assets


async def test_cacheable_answer_does_not_vary_when_no_origin_is_configured(client: httpx.AsyncClient) -> None:
    answer = await client.get("/.well-known/jwks.json", headers={"Origin": "https://app.example.org"})

    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    ("version", "hosts", "status", "code"),
    [
        ("1.1", [], 400, "missing"),
        ("1.1", [""], 400, "missing"),
        ("1.1", ["a.example", "b.example"], 400, "duplicate"),
        ("1.1", ["a.example", "a.example"], 400, "duplicate"),
        ("1.1", ["a.example"], 200, None),
        ("1.0", [], 200, None),
    ],
)
async def test_request_names_its_host_once(
    service: Service, version: str, hosts: list[str], status: int, code: str | None
) -> None:
    """RFC 9112, section 3.2."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    lines = [f"GET /health/live HTTP/{version}", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    if code is not None:
        assert [(error["pointer"], error["code"]) for error in json.loads(body)["errors"]] == [("header/Host", code)]
