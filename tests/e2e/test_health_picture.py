"""The picture of /health metrics as it is lived: a real Prometheus, a real child, and the card in the page."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from bot.adapters.promql import HttpMetrics
from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers.prometheus import Prometheus
from tests.conftest import needs
from tests.e2e.browser import PHONE, Window

OPS = "C0OPS"
QUESTIONS = """
queries:
  - {name: up, query: sum(up), unit: count, below: 1}
  - {name: memory, query: "process_resident_memory_bytes", unit: bytes, above: 1000}
  - {name: absent, query: nothing_is_called_so, unit: rate}
"""


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    needs("prometheus")
    running = Prometheus("")
    itself = running.url.removeprefix("http://")
    running.configuration = f"""
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: prometheus, static_configs: [{{targets: ["{itself}"]}}]}}]
"""
    with running:
        until = time.monotonic() + 30
        while not HttpMetrics(running.url).ask("up", 5) and time.monotonic() < until:
            time.sleep(0.2)
        yield running


@pytest.fixture(scope="module")
def stage(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server"):
        needs(part)
    questions = tmp_path_factory.mktemp("health") / "queries.yaml"
    questions.write_text(QUESTIONS)
    with Stage(planted=False, more={"PROMETHEUS_URL": prometheus.url, "HEALTH_QUERIES": str(questions)}) as running:
        yield running


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_card_gets_a_picture_that_a_phone_shows_whole(
    stage: Stage, browser: Browser, tmp_path: Path, *, dark: bool
) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health metrics")
    card = sara.wait_for_message(OPS, lambda message: any(each["type"] == "image" for each in message["blocks"]), 40)
    assert "1 wrong, 1 not known" in tour.words(card)
    (image,) = (each for each in card["blocks"] if each["type"] == "image")
    with urllib.request.urlopen(f"{stage.slack.url}/files/{image['slack_file']['id']}", timeout=10) as answer:
        data = answer.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 200_000
    with Window.open(browser, stage.slack.url, "U0SARA", OPS, size=PHONE, dark=dark) as window:
        shown = window.page.locator("img[alt^='What shop measured']").last
        shown.scroll_into_view_if_needed()
        box = shown.bounding_box()
        window.page.screenshot(path=tmp_path / "phone.png")
    assert box is not None
    assert 250 <= box["width"] <= PHONE[0]
    assert box["height"] <= PHONE[1] / 2
