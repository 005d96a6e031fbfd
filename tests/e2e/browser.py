"""A real browser without a screen, and windows in which people look at the local Slack's page.

Rules:
1. The browser asks nobody but the local Slack: what a window wants from elsewhere is refused and noted.
2. A window notes what its console calls an error, and every exception of the page. A test that ends with
   such a note fails (`Window.close`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Route, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MILLISECONDS = 8000
DESK = (1200, 800)
PHONE = (390, 844)


@contextmanager
def started(chromium: Path) -> Iterator[Browser]:
    """A browser that runs until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Window:
    """A window that shares no memory with another. Also a context manager, which closes it."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        browser: Browser,
        url: str,
        person: str,
        channel: str = "C0OPS",
        *,
        size: tuple[int, int] = DESK,
        dark: bool = False,
    ) -> Window:
        """Opens the page as a person at a channel. `size` is in CSS pixels."""
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            service_workers="block",
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        window = cls(context.new_page(), url)
        window._watch(context)
        window.page.goto(f"{url}/?{urlencode({'channel': channel, 'as': person})}")
        window.find(f"channel-{channel}").wait_for(state="attached")
        # From here on the page hears of everything that happens.
        window.page.locator('#app[data-live="true"]').wait_for()
        return window

    def _watch(self, context: BrowserContext) -> None:
        def refuse(route: Route) -> None:
            self.troubles.append(f"the page asked for {route.request.url}")
            route.abort()

        def listen(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.troubles.append(message.text)

        # A pattern, not a function: a function would hold every request until this thread listens again.
        context.route(re.compile(f"^(?!{re.escape(self.url)}/)"), refuse)
        self.page.on("console", listen)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))

    def find(self, test_id: str) -> Locator:
        """What carries this test id."""
        return self.page.get_by_test_id(test_id)

    def message(self, ts: str) -> Locator:
        """The message in the channel with this `ts`."""
        return self.page.locator(f'#messages [data-testid="message"][data-ts="{ts}"]')

    def reply(self, ts: str) -> Locator:
        """The message in the thread panel with this `ts`."""
        return self.find("thread-panel").locator(f'[data-testid="message"][data-ts="{ts}"]')

    def send(self, text: str, *, into: str = "composer") -> None:
        """Types a line and sends it."""
        self.find(into).fill(text)
        self.find(into).press("Enter")

    def picture(self, path: Path) -> None:
        """Writes a screenshot for a person to look at."""
        self.page.screenshot(path=path)

    def close(self) -> None:
        """Raises AssertionError if anything went wrong in the page."""
        self.page.context.close()
        assert self.troubles == []

    def __enter__(self) -> Window:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.page.context.close()
