"""People find their way from the page at `/`, in a real browser."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import watching
from tests.fixtures import Service


async def test_every_link_of_the_page_works(browser: Browser, service: Service) -> None:
    async with watching(browser, service.url, java_script_enabled=False) as watched:
        page = watched.page
        await page.goto(service.url)
        links = await page.get_by_role("link").evaluate_all("links => links.map(link => link.href)")
        assert {f"{service.url}{path}" for path in ("/schema", "/health/live", "/problems")} <= set(links)
        for link in links:
            assert (await page.request.get(link)).status == 200, link


async def test_link_can_be_followed_by_the_keyboard(browser: Browser, service: Service) -> None:
    async with watching(browser, service.url) as watched:
        page = watched.page
        await page.goto(service.url)
        await page.get_by_role("link", name="Problems").press("Enter")
        await page.get_by_role("link", name="not_found").press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such resource.")
        await page.get_by_role("link", name="cms-service").press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Accounts and access control")
        await page.goto(f"{service.url}/docs")
        assert page.url == f"{service.url}/schema"
        await page.locator("#sign-in").wait_for()


@pytest.mark.parametrize("path", ["/", "/problems", "/problems/validation_failed"])
async def test_page_fits_a_phone_and_follows_the_dark(browser: Browser, service: Service, path: str) -> None:
    async with watching(browser, service.url, color_scheme="dark") as watched:
        page = watched.page
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.goto(f"{service.url}{path}")

        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        # The style is applied: its digest is in the Content-Security-Policy.
        red, green, blue = await page.evaluate(
            "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
        )
        assert max(red, green, blue) < 40
