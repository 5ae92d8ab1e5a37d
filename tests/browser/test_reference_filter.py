"""The reference page folds its operations into groups, and a filter or an address finds them, in a real browser."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Watched
from tests.browser.test_reference_page import execute, sign_in
from tests.fixtures import ADMIN_EMAIL, ADMIN_PASSWORD


class Operation(NamedTuple):
    """The texts of an operation that the filter searches."""

    group: str
    method: str
    path: str
    operation_id: str
    summary: str


async def document_of(page: Page) -> dict[str, Any]:
    answer = await page.request.get(re.sub(r"(#.*)?$", "/openapi.json", page.url, count=1))
    document: dict[str, Any] = await answer.json()
    return document


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield Operation(operation["tags"][0], method, path, operation["operationId"], operation["summary"])


def filter_of(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Filter operations")


async def shown_on(page: Page) -> list[str]:
    """The ids of the operations that the page shows."""
    shown: list[str] = await page.locator(".opblock-summary-operation-id").all_inner_texts()
    return shown


async def test_groups_are_folded_at_first(watched: Watched) -> None:
    page = watched.page
    document = await document_of(page)
    groups = [operation.group for operation in operations_of(document)]

    await expect(page.locator(".group")).to_have_count(len(document["tags"]))
    await expect(page.locator(".opblock")).to_have_count(0)
    for tag in document["tags"]:
        count = groups.count(tag["name"])
        name = f"{tag['name']} {count} operation{'s' if count > 1 else ''}"
        group = page.get_by_role("button", name=name, exact=True)
        await expect(group).to_have_attribute("aria-expanded", "false")
        await expect(page.locator(".group", has=group)).to_contain_text(tag["description"])
    await expect(page.locator("#filter-outcome")).to_have_text(f"{len(groups)} operations")


async def test_group_unfolds_by_the_keyboard(watched: Watched) -> None:
    page = watched.page
    group = page.get_by_role("button", name="health 2 operations")

    await group.press("Enter")
    await expect(group).to_have_attribute("aria-expanded", "true")
    assert sorted(await shown_on(page)) == ["checkLiveness", "checkReadiness"]
    await group.press("Space")
    await expect(page.locator(".opblock")).to_have_count(0)


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        pytest.param("{user_id}/throttle", ["getUserThrottle", "liftUserThrottle"], id="path"),
        pytest.param("searchsubj", ["searchSubjects"], id="operation-id"),
        pytest.param("Sign out a device", ["endMySession", "endUserSession"], id="summary"),
        pytest.param("audit", ["listAuditEvents"], id="group"),
        pytest.param("  patch   roles ", ["updateRole"], id="words"),
    ],
)
async def test_filter_finds_operations_while_typing(watched: Watched, phrase: str, found: list[str]) -> None:
    page = watched.page

    await page.keyboard.press("/")
    await expect(filter_of(page)).to_be_focused()
    await page.keyboard.type(phrase)

    outcome = page.locator("#filter-outcome")
    await expect(outcome).to_have_text(re.compile(rf"^{len(found)} of \d+ operations$"))
    await expect(outcome).to_have_attribute("aria-live", "polite")
    assert sorted(await shown_on(page)) == found
    await page.keyboard.press("Enter")
    await expect(page.locator(".opblock-summary-control").first).to_be_focused()


async def test_filter_finds_every_operation_by_each_of_its_texts(watched: Watched) -> None:
    page = watched.page
    operations = list(operations_of(await document_of(page)))

    for operation in operations:
        await filter_of(page).fill(" ".join(operation))
        await expect(page.locator(f"#operations-{operation.group}-{operation.operation_id}")).to_be_visible()
        assert operation.operation_id in await shown_on(page)
        assert len(await shown_on(page)) < len(operations) / 2


async def test_escape_clears_the_filter(watched: Watched) -> None:
    page = watched.page
    await filter_of(page).fill("password")
    await page.get_by_role("button", name="auth 1 operation").click()
    await expect(page.locator("#operations-auth-login")).to_have_count(0)

    await filter_of(page).press("Escape")

    await expect(filter_of(page)).to_have_value("")
    await expect(page.locator(".opblock")).to_have_count(0)
    await expect(page.locator(".group")).to_have_count(len((await document_of(page))["tags"]))


async def test_slash_is_typed_where_text_is_entered(watched: Watched) -> None:
    page = watched.page

    await page.get_by_role("textbox", name="Password").focus()
    await page.keyboard.press("/")

    await expect(page.get_by_role("textbox", name="Password")).to_have_value("/")


async def test_page_tells_that_nothing_matches(watched: Watched) -> None:
    page = watched.page

    await filter_of(page).fill("no such operation")

    await expect(page.locator(".nothing-found")).to_contain_text("No operation matches no such operation.")
    await expect(page.locator("#filter-outcome")).to_have_text(re.compile(r"^0 of \d+ operations$"))
    await page.get_by_role("button", name="Clear the filter").click()
    await expect(page.locator(".group").first).to_be_visible()
    await expect(filter_of(page)).to_be_focused()


async def test_operations_are_tried_when_a_filter_is_set(watched: Watched) -> None:
    page = watched.page
    await filter_of(page).fill("getMe")

    await sign_in(page, ADMIN_EMAIL, ADMIN_PASSWORD)
    await expect(page.locator("#signed-in")).to_contain_text(ADMIN_EMAIL)

    assert (await execute(page, "getMe", 200))["email"] == ADMIN_EMAIL
    await filter_of(page).fill("listUsers")
    assert (await execute(page, "listUsers", 200))["items"]
    assert await shown_on(page) == ["listUsers", "listUserSessions"]


@pytest.mark.parametrize(("link", "shown"), [("users/listUsers", "users-listUsers"), ("users", "tag-users")])
async def test_address_opens_its_group(watched: Watched, link: str, shown: str) -> None:
    page = watched.page
    await page.goto("about:blank")
    await page.goto(f"{watched.root}/schema#/{link}")

    await expect(page.locator(f"#operations-{shown}")).to_be_in_viewport()
    await expect(page.locator(".group button[aria-expanded='true']")).to_have_text(re.compile("^users"))
    await expect(page.get_by_role("button", name="Execute")).to_have_count(link.count("/"))


async def test_address_opens_its_operation_while_a_filter_is_set(watched: Watched) -> None:
    page = watched.page
    await filter_of(page).fill("health")

    for operation in ("service-accounts/revokeApiKey", "users/listUsers", "roles/deleteRole"):
        await page.evaluate("address => { location.hash = address }", f"#/{operation}")
        block = page.locator(f"#operations-{operation.replace('/', '-')}")
        await expect(block.get_by_role("button", name="Execute")).to_be_visible()
        await expect(block.locator(".opblock-summary")).to_be_in_viewport(ratio=1)
    await expect(filter_of(page)).to_have_value("")
    await page.go_back()
    await expect(page.locator("#operations-users-listUsers .opblock-summary")).to_be_in_viewport(ratio=1)
    await page.go_back()
    await expect(page.locator("#operations-service-accounts-revokeApiKey .opblock-summary")).to_be_in_viewport(ratio=1)
