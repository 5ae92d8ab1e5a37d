"""A real browser: the Chromium of this machine, with pages that must behave."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.fixtures import Service

expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert executable, "There is no Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        # Chromium's sandbox refuses to work for root, who tests in containers.
        chromium = await playwright.chromium.launch(executable_path=executable, chromium_sandbox=os.geteuid() != 0)
        yield chromium
        await chromium.close()


class Watched:
    """A page whose complaints, and requests to others, are written down."""

    def __init__(self, page: Page, root: str) -> None:
        self.page = page
        self.root = root
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self._watch(request.url, root))

    def _note(self, message: ConsoleMessage) -> None:
        # Chromium reports violations of the Content-Security-Policy here, too.
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _watch(self, url: str, root: str) -> None:
        if not url.startswith((f"{root}/", "data:")):
            self.complaints.append(f"leaves the service: {url}")


@asynccontextmanager
async def watching(browser: Browser, root: str, **options: Any) -> AsyncIterator[Watched]:
    """A page for the service at `root`, a URL. It must not complain about anything that the test does not expect."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = await context.new_page()
    watched = Watched(page, root)
    yield watched
    stored = await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    await context.close()
    assert stored == [0, 0, ""]
    assert watched.complaints == []


async def open_reference(watched: Watched, root: str) -> None:
    """Load the reference page, with a clock that the test can move."""
    await watched.page.clock.install()
    await watched.page.goto(f"{root}/schema")
    await watched.page.locator("#sign-in").wait_for()


@pytest.fixture
async def watched(browser: Browser, service: Service) -> AsyncIterator[Watched]:
    """The reference page, freshly loaded."""
    async with watching(browser, service.url) as page:
        await open_reference(page, service.url)
        yield page
