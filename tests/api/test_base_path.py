"""Every address that the service hands out leads to it where a proxy publishes it below a path of a host."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import jwt
import msgspec
import pytest

from tests.api.operations import DOCUMENT, OPERATIONS, Operation
from tests.factories import (
    PermissionCreateFactory,
    RegisterRequestFactory,
    RoleCreateFactory,
    ServiceAccountCreateFactory,
    UserCreateFactory,
    unique,
)
from tests.fixtures import PREFIX, Caller, Published, sign_in

CREATING = [
    operation
    for operation in OPERATIONS
    if "Location"
    in DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"].get("201", {}).get("headers", {})
]
BODIES: dict[str, Any] = {
    "register": RegisterRequestFactory,
    "createUser": UserCreateFactory,
    "createRole": RoleCreateFactory,
    "createPermission": PermissionCreateFactory,
    "createServiceAccount": ServiceAccountCreateFactory,
}
METADATA = ["oauth-authorization-server", "authzen-configuration"]
LINK = re.compile(r'(?:href|src)="([^"]+)"')


@pytest.fixture(scope="module")
async def outside(published: Published) -> AsyncIterator[httpx.AsyncClient]:
    """A client that reaches the service through its proxy alone."""
    async with httpx.AsyncClient(base_url=published.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
async def administrator(published: Published, outside: httpx.AsyncClient) -> Caller:
    return await sign_in(outside, published.service.admin_email, published.service.admin_password)


async def create(administrator: Caller, operation: Operation) -> httpx.Response:
    ids = {}
    if "service_account_id" in operation.path:
        account = msgspec.to_builtins(ServiceAccountCreateFactory.build())
        ids = {"service_account_id": (await administrator.post("/api/v1/service-accounts", account)).json()["id"]}
    factory = BODIES.get(operation.id)
    body = msgspec.to_builtins(factory.build()) if factory else operation.minimal_body()
    return await administrator.request(operation.method, operation.url(**ids), json=body)


@pytest.mark.parametrize("operation", CREATING, ids=str)
async def test_created_resource_is_where_location_says(
    published: Published, administrator: Caller, operation: Operation
) -> None:
    created = await create(administrator, operation)

    assert created.status_code == 201, created.text
    location = urljoin(str(created.url), created.headers["location"])
    assert location.startswith(f"{published.url}/api/v1/")
    assert (await administrator.get(location)).status_code == 200


async def test_repeated_answer_has_the_path_below_which_it_is_repeated(
    administrator: Caller, admin: Caller, published: Published
) -> None:
    body, headers = msgspec.to_builtins(RoleCreateFactory.build()), {"Idempotency-Key": unique("key")}

    first = await administrator.post("/api/v1/roles", body, headers=headers)
    again = await admin.post("/api/v1/roles", body, headers=headers)

    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["location"] == PREFIX + again.headers["location"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/users/me", 401),
        ("GET", "/api/v1//users", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/health/live", 405),
        ("POST", "/api/v1/auth/login", 400),
    ],
)
async def test_problem_leads_to_its_page_and_names_the_path_that_was_asked_for(
    published: Published, outside: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    refused = await outside.request(method, path)

    assert refused.status_code == status
    problem = refused.json()
    assert problem["instance"] == f"{PREFIX}{path}"
    page = await outside.get(urljoin(str(refused.url), problem["type"]))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_every_link_of_every_page_leads_to_the_service(published: Published, outside: httpx.AsyncClient) -> None:
    seen, waiting = set[str](), [published.url, f"{published.url}/docs"]
    while waiting:
        url = waiting.pop()
        answer = await outside.get(url, follow_redirects=True)
        assert answer.status_code == 200, url
        assert str(answer.url).startswith(published.url), url
        if answer.headers["content-type"].startswith("text/html"):
            links = {urljoin(str(answer.url), unescape(link)) for link in LINK.findall(answer.text)}
            waiting += links - seen
            seen |= links

    paths = {url.removeprefix(published.url) for url in seen}
    assert {"/", "/schema", "/schema/openapi.json", "/problems/not_found", "/.well-known/jwks.json"} <= paths
    assert any(path.endswith("/swagger-ui.css") for path in paths)


async def test_index_for_programs_leads_to_the_service(published: Published, outside: httpx.AsyncClient) -> None:
    index = await outside.get("/", headers={"Accept": "application/json"})

    for link in index.json()["links"].values():
        assert (await outside.get(urljoin(published.origin, link))).status_code == 200, link


async def test_served_document_names_the_server_of_its_operations(
    published: Published, outside: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    answer, elsewhere = await outside.get("/schema/openapi.json"), await client.get("/schema/openapi.json")

    (server,) = answer.json()["servers"]
    assert urljoin(str(answer.url), server["url"]) == published.url
    assert [each["url"] for each in elsewhere.json()["servers"]] == ["/"]
    assert {**answer.json(), "servers": ()} == {**elsewhere.json(), "servers": ()}


@pytest.mark.parametrize("name", METADATA)
async def test_metadata_is_where_the_standards_look_for_it_and_leads_to_the_service(
    published: Published, outside: httpx.AsyncClient, name: str
) -> None:
    """RFC 8414, section 3.1, and AuthZEN 1.0, section 9.2.1: between the host and the path of the issuer."""
    found = await outside.get(f"{published.origin}/.well-known/{name}{PREFIX}")

    assert found.status_code == 200
    metadata = found.json()
    assert metadata[{"authzen-configuration": "policy_decision_point"}.get(name, "issuer")] == published.url
    assert (await outside.get(f"/.well-known/{name}")).json() == metadata
    urls = {member: value for member, value in metadata.items() if member.endswith(("_endpoint", "_uri"))}
    assert len(urls) >= 4
    for member, url in urls.items():
        assert url.startswith(f"{published.url}/")
        answer = await outside.request("GET" if member == "jwks_uri" else "POST", url)
        assert answer.status_code in {200, 400, 401}, url
        assert answer.headers["server"] != "proxy"


@pytest.mark.parametrize("name", METADATA)
async def test_metadata_at_the_root_of_the_host_behaves_as_its_route(published: Published, name: str) -> None:
    path = f"/.well-known/{name}{PREFIX}"
    async with published.service.client() as client:
        got, head, slash = await client.get(f"{path}?t=1"), await client.head(path), await client.get(f"{path}/")
        assert got.status_code == head.status_code == slash.status_code == 200
        assert head.headers["content-length"] == got.headers["content-length"]
        assert (await client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
        assert (await client.put(path)).status_code == 405


@pytest.mark.parametrize("suffix", ["/other", f"{PREFIX}/more", f"{PREFIX}more", PREFIX[:-1], f"/{PREFIX}", "//"])
@pytest.mark.parametrize("name", METADATA)
async def test_metadata_is_not_found_when_the_issuer_is_another(
    published: Published, client: httpx.AsyncClient, name: str, suffix: str
) -> None:
    async with published.service.client() as behind:
        assert (await behind.get(f"/.well-known/{name}{suffix}")).status_code == 404
        assert (await behind.get(f"/.well-known/jwks.json{PREFIX}")).status_code == 404
    assert (await client.get(f"/.well-known/{name}{PREFIX}")).status_code == 404


async def test_path_is_taken_only_from_the_proxy(published: Published) -> None:
    """A second spelling of each path would pass by the rules of the proxy."""
    async with published.service.client() as behind:
        for path in ("/metrics", "/health/live", "/api/v1/users/me"):
            assert (await behind.get(f"{PREFIX}{path}")).status_code == 404


async def test_token_names_the_public_url_and_is_verified_with_the_keys_there(
    published: Published, outside: httpx.AsyncClient, administrator: Caller
) -> None:
    issuer = (await outside.get(f"{published.origin}/.well-known/oauth-authorization-server{PREFIX}")).json()
    keys = jwt.PyJWKSet.from_dict((await outside.get(issuer["jwks_uri"])).json())
    key = keys[jwt.get_unverified_header(administrator.access_token)["kid"]]

    claims = jwt.decode(
        administrator.access_token, key, algorithms=["EdDSA"], issuer=issuer["issuer"], audience=published.url
    )

    assert urlsplit(claims["iss"]).path == PREFIX
