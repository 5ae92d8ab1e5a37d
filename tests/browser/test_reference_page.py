"""People read the API, sign in and try it on the page at `/schema`, in a real browser."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Watched
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD, Caller, Register

PICTURE = Path(__file__).parents[2] / "build/browser/reference-page.png"
UNFOLD = """
async (summary) => {
  const body = () => document.querySelector(".opblock-body");
  const isDrawn = new Promise((resolve) => {
    const observer = new MutationObserver(() => body() && resolve(observer.disconnect()));
    observer.observe(document.body, { childList: true, subtree: true });
  });
  summary.click();
  await isDrawn;
  return body().querySelectorAll(".execute").length;
}
"""
"""Unfold an operation, and count its buttons when it is drawn, which is before it is resolved."""
LIFETIME_SECONDS = 3600
"""How long the access tokens of `service` live."""


async def sign_in(page: Page, email: str, password: str) -> None:
    """By the keyboard alone, from the top of the page."""
    await page.get_by_role("textbox", name="E-mail").focus()
    for text, key in ((email, "Tab"), (password, "Enter")):
        await page.keyboard.insert_text(text)
        await page.keyboard.press(key)


async def unfold(page: Page, operation: str) -> Locator:
    """The block of the operation, open, in a group that is open."""
    block: Locator = page.locator(f".opblock[id$='-{operation}']")
    while await block.count() == 0:
        await page.locator(".group button[aria-expanded='false']").first.press("Enter")
    if "is-open" not in (await block.get_attribute("class") or ""):
        await block.locator(".opblock-summary-control").press("Enter")
    return block


async def execute(page: Page, operation: str, status: int) -> Any:
    """The example that the page shows of an answer to the operation."""
    block = await unfold(page, operation)
    async with page.expect_response(lambda response: f"{status}" == f"{response.status}"):
        await block.get_by_role("button", name="Execute").press("Enter")
    answer = block.locator(".live-responses-table tbody tr").first
    await expect(answer.locator(".response-col_status")).to_contain_text(str(status))
    return json.loads(await answer.locator(".highlight-code code").first.inner_text())


async def test_operation_is_not_executed_before_it_can_be_found(watched: Watched) -> None:
    page = watched.page
    await page.locator(".group button[aria-expanded='false']").first.press("Enter")
    summary = page.locator(".opblock-summary-control").first

    assert await summary.evaluate(UNFOLD) == 0
    await expect(page.get_by_role("button", name="Execute")).to_have_count(1)


async def test_administrator_signs_in_and_performs_guarded_calls(watched: Watched) -> None:
    page = watched.page

    await sign_in(page, ADMIN_EMAIL, ADMIN_PASSWORD)

    await expect(page.locator("#signed-in")).to_contain_text(f"Signed in as {ADMIN_EMAIL}")
    assert (await execute(page, "getMe", 200))["email"] == ADMIN_EMAIL
    assert ADMIN_EMAIL in {user["email"] for user in (await execute(page, "listUsers", 200))["items"]}
    # With another use of the same button of the dialog, the page forgets the token, and the session ends.
    await page.locator(".auth-wrapper .authorize").click()
    async with page.expect_response("**/api/v1/auth/logout") as ended:
        await page.locator(".modal-ux button", has_text="Logout").click()
    assert (await ended.value).status == 204
    await expect(page.get_by_role("status")).to_have_text("You are signed out.")
    await page.locator(".modal-ux .close-modal").click()
    assert (await execute(page, "getMe", 401))["code"] == "authentication_required"
    assert [complaint for complaint in watched.complaints if "401" not in complaint] == []
    watched.complaints.clear()


async def test_picture_shows_the_page_when_signed_in(watched: Watched) -> None:
    page = watched.page
    await sign_in(page, ADMIN_EMAIL, ADMIN_PASSWORD)
    await expect(page.locator("#signed-in")).to_contain_text(f"Signed in as {ADMIN_EMAIL}")
    await page.get_by_role("button", name=re.compile("^permissions ")).click()
    await expect(page.locator(".opblock").first).to_be_visible()
    await page.mouse.move(0, 0)

    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURE)
    assert PICTURE.stat().st_size < 200_000


async def test_wrong_password_is_told(watched: Watched) -> None:
    await sign_in(watched.page, ADMIN_EMAIL, "not the password of anybody")

    await expect(watched.page.get_by_role("status")).to_have_text("The e-mail address or the password is wrong.")
    await expect(watched.page.locator("#sign-in")).to_be_visible()
    assert watched.complaints.pop().endswith("401 (Unauthorized)")


async def test_sign_in_outlives_the_access_token_and_its_end_is_told(watched: Watched, register: Register) -> None:
    page, user = watched.page, await register()
    await sign_in(page, user.email, user.password)
    await expect(page.locator("#signed-in")).to_be_visible()

    await page.clock.fast_forward(LIFETIME_SECONDS * 1000)
    async with page.expect_response("**/api/v1/auth/refresh"):
        assert (await execute(page, "getMe", 200))["email"] == user.email
    await end_sessions(user)
    assert (await execute(page, "getMe", 401))["code"] == "token_invalid"

    await expect(page.get_by_role("status")).to_have_text("Your session has ended. Sign in again.")
    await expect(page.locator("#sign-in")).to_be_visible()
    assert watched.complaints.pop().endswith("401 (Unauthorized)")


async def test_dialog_takes_a_credential_that_was_made_elsewhere(watched: Watched, admin: Caller) -> None:
    page = watched.page

    await page.locator(".auth-wrapper .authorize").click()
    await page.locator(".modal-ux input[aria-label='auth-bearer-value']").fill(admin.access_token)
    await page.locator(".modal-ux button", has_text="Authorize").first.click()
    await page.locator(".modal-ux .close-modal").click()

    assert (await execute(page, "getMe", 200))["email"] == ADMIN_EMAIL


async def test_page_fits_a_phone_and_follows_the_dark(watched: Watched) -> None:
    page = watched.page
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 390, "height": 844})

    await expect((await unfold(page, "updateUser")).locator(".problems li").first).to_be_visible()
    await page.locator("#problem-shape summary").click()
    await expect(page.locator("#problem-shape dl")).to_be_visible()

    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


async def test_service_account_may_act_for_a_user_by_a_folded_parameter(watched: Watched) -> None:
    page = watched.page
    block = await unfold(page, "getMe")
    await expect(block.get_by_placeholder("X-On-Behalf-Of")).to_have_count(0)
    assert await height_of(block.locator(".parameters tbody")) < 60

    await block.get_by_role("button", name="X-On-Behalf-Of").press("Enter")
    await block.get_by_placeholder("X-On-Behalf-Of").fill("the-token-of-a-user")
    async with page.expect_request("**/api/v1/users/me") as sent:
        assert (await execute(page, "getMe", 401))["code"] == "authentication_required"
    assert (await sent.value).headers["x-on-behalf-of"] == "the-token-of-a-user"
    await block.get_by_role("button", name="X-On-Behalf-Of").press("Enter")
    await expect(block.get_by_role("button", name="X-On-Behalf-Of (sent)")).to_have_attribute("aria-expanded", "false")
    assert watched.complaints.pop().endswith("401 (Unauthorized)")


async def test_fields_have_names(watched: Watched) -> None:
    page = watched.page

    await expect((await unfold(page, "listUsers")).get_by_role("combobox", name="is_active")).to_be_visible()
    await expect((await unfold(page, "updateUser")).get_by_role("textbox", name="Request body")).to_be_visible()


async def height_of(locator: Locator) -> float:
    """In pixels."""
    box = await locator.bounding_box()
    assert box is not None
    height: float = box["height"]
    return height


async def end_sessions(user: Caller) -> None:
    assert (await user.delete("/api/v1/users/me/sessions")).is_success
