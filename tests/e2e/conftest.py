"""One browser, one local Slack and one Bolt app for each file of tests; each test starts with the seed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from slack_sdk import WebClient

from sandbox.demo.stage import Stage as Whole
from sandbox.slack.server import LocalSlack
from tests.e2e.browser import Window, started
from tests.sandbox.bolt_app import Stage, connected, web_client


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with started(chromium) as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(rate_limits=False, file_delay=0.0) as running:
        yield running


@pytest.fixture(scope="module")
def listening(server: LocalSlack) -> Iterator[Stage]:
    stage = Stage(server)
    with connected(server, stage.app):
        yield stage


@pytest.fixture
def slack(server: LocalSlack) -> LocalSlack:
    server.reset()
    return server


@pytest.fixture
def stage(listening: Stage) -> Stage:
    listening.answer, listening.delay = {}, 0.0
    while not listening.payloads.empty():
        listening.payloads.get()
    return listening


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


@pytest.fixture
def window(browser: Browser, slack: LocalSlack) -> Iterator[Window]:
    """Sara, who looks at #ops."""
    with Window.open(browser, slack.url, "U0SARA") as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure comes what the bot said last, and what was said in Slack."""
    report = yield
    whole = getattr(item, "funcargs", {}).get("stage")
    if report.failed and isinstance(whole, Whole):
        report.sections.append(("the bot's log", whole.bot.log_tail(60)))
        with suppress(RuntimeError):  # a test may have stopped it
            calls = whole.slack.log()[-15:]
            report.sections.append(("Slack's last calls", "\n".join(str(each)[:400] for each in calls)))
    return report
