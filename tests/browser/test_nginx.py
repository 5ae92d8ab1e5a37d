"""The service works behind nginx as the guide to deployment sets it up, at a host of its own and below a path."""

from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import open_reference, watching
from tests.browser.nginx import EXAMPLES, running_nginx
from tests.browser.test_reference_page import execute
from tests.browser.test_reference_page import sign_in as sign_in_on_page
from tests.eventually import eventually
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Database, ServiceFactory, reserve_port, sign_in


@pytest.mark.parametrize(("example", "path"), [*zip(EXAMPLES, ("", "/id"), strict=True)], ids=("host", "path"))
async def test_service_works_behind_nginx(
    browser: Browser, service_factory: ServiceFactory, database: Database, tmp_path: Path, example: str, path: str
) -> None:
    with reserve_port() as reserved:
        port = reserved.getsockname()[1]
        origin = f"http://127.0.0.1:{port}"
        url = f"{origin}{path}"
        service = await service_factory(database, public_url=url, trusted_proxies="127.0.0.1")
        with running_nginx(example, tmp_path, port, service.port):
            async with httpx.AsyncClient(base_url=url) as client:
                await eventually(lambda: is_up(client))
                await look_at_the_api(client, origin, url, path)
            async with watching(browser, url) as watched:
                await open_reference(watched, url)
                await sign_in_on_page(watched.page, ADMIN_EMAIL, ADMIN_PASSWORD)
                await expect(watched.page.locator("#signed-in")).to_contain_text(ADMIN_EMAIL)
                assert (await execute(watched.page, "getMe", 200))["email"] == ADMIN_EMAIL


async def is_up(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/ready")).is_success
    except httpx.TransportError:
        return False


async def look_at_the_api(client: httpx.AsyncClient, origin: str, url: str, path: str) -> None:
    admin = await sign_in(client, ADMIN_EMAIL, ADMIN_PASSWORD)
    created = await admin.post("/api/v1/service-accounts", {"name": f"behind-nginx{path.replace('/', '-')}"})
    location = created.url.join(created.headers["location"])
    assert str(location).startswith(f"{url}/api/v1/")
    assert (await admin.get(str(location))).status_code == 200
    for name, member in (("oauth-authorization-server", "issuer"), ("authzen-configuration", "policy_decision_point")):
        found = await client.get(f"{origin}/.well-known/{name}{path}")
        assert (found.status_code, found.json()[member]) == (200, url)
    assert (await client.get(f"{url}/", follow_redirects=True)).status_code == 200
    assert (await client.get(url, follow_redirects=True)).status_code == 200
    for spelling in ("/metrics", "//metrics", "/x/../metrics", "/%6detrics", f"{path}/metrics"):
        assert (await client.get(f"{url}{spelling}")).status_code in {403, 404}, spelling
