"""The reference page lists the problems of each operation by their codes, and explains their shape once."""

import re
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Watched
from tests.browser.test_reference_filter import document_of, filter_of
from tests.browser.test_reference_page import height_of, unfold

HEIGHT = 1600
"""Upper bound for a typical operation, in pixels, in a window of 1280."""

WITH_PREVIEW = 2000
"""Upper bound for all operations, also those with a preview as a second answer."""


async def test_every_operation_lists_its_problems_once(watched: Watched) -> None:
    page = watched.page
    document = await document_of(page)
    pages = set()

    for item in document["paths"].values():
        for operation in item.values():
            block = await open_alone(page, operation)
            assert await listed_in(block) == refusals_of(operation, document), operation["operationId"]
            successes = {status for status in operation["responses"] if status < "400"}
            answers = block.locator(".responses-table .response .response-col_status")
            assert set(await answers.all_inner_texts()) == successes
            # The successful answers have samples, and nothing else has.
            assert await block.locator(".highlight-code").count() <= len(successes)
            assert await height_of(block) < WITH_PREVIEW, operation["operationId"]
            links = block.locator(".problems li a")
            pages |= set(await links.evaluate_all("links => links.map(link => link.href)"))

    assert len(pages) > 20
    for problem in pages:
        assert (await page.request.get(problem)).status == 200, problem


async def test_typical_operation_is_short(watched: Watched) -> None:
    block = await unfold(watched.page, "updateUser")
    await expect(block.locator(".problems li")).not_to_have_count(0)

    assert await height_of(block) < HEIGHT


async def test_shape_of_a_problem_is_explained_once(watched: Watched) -> None:
    page = watched.page
    shape = page.locator("#problem-shape")
    await expect(shape).to_have_count(1)
    await expect(shape.locator("dl")).to_be_hidden()

    block = await unfold(page, "updateUser")
    await block.get_by_role("link", name="Shape of a problem").press("Enter")

    await expect(shape.locator("summary")).to_be_in_viewport()
    problem = (await document_of(page))["components"]["schemas"]["ValidationProblem"]
    assert await shape.locator("dt").all_inner_texts() == list(problem["properties"])
    await expect(shape.get_by_role("link", name="all problems")).to_have_attribute("href", "/problems")
    await page.go_back()
    await expect(block.get_by_role("button", name="Execute")).to_be_visible()


async def open_alone(page: Page, operation: dict[str, Any]) -> Locator:
    await filter_of(page).fill(operation["operationId"])
    block = page.locator(f"#operations-{operation['tags'][0]}-{operation['operationId']}")
    await block.locator(".opblock-summary-control").press("Enter")
    await block.locator(".problems li").first.wait_for()
    return block


async def listed_in(block: Locator) -> list[tuple[str, str]]:
    """Statuses and codes."""
    lines = await block.locator(".problems li").evaluate_all(
        "lines => lines.map(line => [line.querySelector('.problem-status'), ...line.querySelectorAll('code')]"
        ".map(part => part.innerText))"
    )
    return sorted((status, code) for status, *codes in lines for code in codes)


def refusals_of(operation: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for status, response in operation["responses"].items():
        if status >= "400":
            shared = document["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2], {})
            told = response.get("description", shared.get("description"))
            found += [(status, code) for code in re.findall(r"`(\w+)`", told)]
    return sorted(found)
