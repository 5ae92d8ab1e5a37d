"""The page at `/` says what this is, and leads on."""

import re
from html import unescape

import httpx
import pytest

from tests.api.operations import DOCUMENT
from tests.fixtures import Database, ServiceFactory

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_page_names_the_service_and_leads_to_what_it_has(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers={"Accept": BROWSER})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"Version {DOCUMENT['info']['version']}" in page.text
    links = set(re.findall(r'<a[^>]* href="([^"]+)"', page.text))
    index = (await client.get("/", headers={"Accept": "application/json"})).json()
    assert links == {"/", *index["links"].values()}
    for link in links:
        assert (await client.get(link)).status_code == 200, link


async def test_page_loads_nothing_but_its_icon_and_runs_nothing(client: httpx.AsyncClient) -> None:
    page = await client.get("/")

    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "img-src 'self'", "form-action 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not [rule for rule in policy if "unsafe" in rule or "script" in rule]
    assert "<script" not in page.text
    assert re.findall(r'<link rel="(\w+)"', page.text) == ["icon"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("text/html, application/json", "text/html; charset=utf-8"),
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
        ("no media type", "text/html; charset=utf-8"),
        ("text/html;q=inf, application/json", "text/html; charset=utf-8"),
        ("application/json;q=0", "text/html; charset=utf-8"),
        ("application/json; q=0.000, */*", "text/html; charset=utf-8"),
        ("application/json;q=0.1", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
    ],
)
async def test_form_is_the_one_that_the_client_prefers(
    client: httpx.AsyncClient, accept: str | None, media_type: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    request = client.build_request("GET", "/", headers=headers)
    if accept is None:
        del request.headers["accept"]

    answer = await client.send(request)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["vary"] == "Accept"


async def test_page_is_not_sent_again_when_the_client_has_it(client: httpx.AsyncClient) -> None:
    page, index = await client.get("/"), await client.get("/", headers={"Accept": "application/json"})

    again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    # A cache gives the headers of a 304 to the page that it has kept.
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert again.headers["vary"] == "Accept"
    assert page.headers["etag"] != index.headers["etag"]
    head = await client.head("/")
    assert (head.content, head.headers["content-length"]) == (b"", page.headers["content-length"])


async def test_command_of_the_first_call_works(client: httpx.AsyncClient) -> None:
    command = unescape(re.findall(r"<pre[^>]*><code>(.*?)</code>", (await client.get("/")).text, re.DOTALL)[0])
    url, body = re.findall(r"curl (\S+) \\\n  --json '(.*)'", command, re.DOTALL)[0]

    answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})

    # Another test may have used the command.
    assert answer.status_code in {201, 409}, answer.text


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_first_call_is_not_shown_when_registration_is_closed(
    service_factory: ServiceFactory, database: Database, environment: str
) -> None:
    service = await service_factory(
        database,
        env=environment,
        public_url="https://accounts.example.org",
        registration="closed",
        password_hashing="standard",
    )

    async with service.client() as client:
        page = (await client.get("/")).text

    assert "curl" not in page
    assert ("Development" in page) == (environment == "development")


async def test_docs_lead_to_the_reference(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")

    assert (answer.status_code, answer.headers["location"]) == (307, "/schema")
    assert (await client.head("/docs")).status_code == 307
