"""People sign in on the reference page where a proxy publishes the service below a path of a host."""

from playwright.async_api import Browser, expect

from tests.browser.conftest import open_reference, watching
from tests.browser.test_reference_page import LIFETIME_SECONDS, execute, sign_in
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Published


async def test_reference_page_works_below_the_path(browser: Browser, published: Published) -> None:
    async with watching(browser, published.url) as watched:
        await open_reference(watched, published.url)
        page = watched.page
        await sign_in(page, ADMIN_EMAIL, ADMIN_PASSWORD)
        await expect(page.locator("#signed-in")).to_contain_text(f"Signed in as {ADMIN_EMAIL}")

        assert (await execute(page, "getMe", 200))["email"] == ADMIN_EMAIL
        problem = str(await page.locator(".problems a", has_text="token_invalid").first.evaluate("link => link.href"))
        assert problem == f"{published.url}/problems/token_invalid"
        assert (await page.request.get(problem)).status == 200
        await page.clock.fast_forward(LIFETIME_SECONDS * 1000)
        async with page.expect_response("**/api/v1/auth/refresh") as renewed:
            await execute(page, "getMe", 200)
        assert (await renewed.value).url.startswith(f"{published.url}/")
        async with page.expect_response("**/api/v1/auth/logout") as ended:
            await page.locator("#signed-in button").press("Enter")
        assert (await ended.value).status == 204


async def test_pages_lead_on_below_the_path(browser: Browser, published: Published) -> None:
    async with watching(browser, f"{published.url}") as watched:
        page = watched.page
        await page.goto(f"{published.url}/")
        await page.get_by_role("link", name="Problems").click()
        await page.get_by_role("link", name="not_found").click()
        await page.get_by_role("link", name="cms-service").click()
        await page.get_by_role("link", name="API reference").click()
        assert page.url == f"{published.url}/schema"
        await page.locator("#sign-in").wait_for()
