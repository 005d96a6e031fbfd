"""A Persian team's night: alert, plan and health as they are read on the page, each line from right to left.

- The bot, MongoDB, Redis, Alertmanager and the browser are real.
- Pictures are left in `tmp_path`, for a person to look at.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers import alerting
from tests.conftest import needs
from tests.e2e.browser import PHONE, Window

OPS, ALERTS, AUDIT = "C0OPS", "C0ALERTS", "C0AUDIT"
JOB_SECONDS = 60
# Which way each line of a message is written, as the browser decided it, beside its words.
DIRECTIONS = """nodes => nodes.filter(node => node.textContent.trim() && node.children.length === 0 ||
    node.matches('.line')).map(node => {
        const box = node.getBoundingClientRect(), range = document.createRange();
        range.selectNodeContents(node);
        const words = range.getBoundingClientRect();
        return [node.textContent, words.left - box.left, box.right - words.right];
    })"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "alertmanager", "mongodump", "mongorestore", "chromium"):
        needs(part)
    more = {"CHAT_LANGUAGE": f"en {OPS}=fa {ALERTS}=fa", "WEBHOOK_TOKEN": secrets.token_urlsafe(24)}
    with Stage(more=more, alerting=True) as running:
        yield running


def newest(window: Window) -> Locator:
    return window.page.locator('#messages [data-testid="message"]').last


def lines_are_from_right_to_left(message: Locator) -> int:
    """How many lines with Persian words there are; each must lean on the right."""
    found = message.locator(".line").evaluate_all(DIRECTIONS)
    persian = [each for each in found if re.search("[ء-ی]", each[0])]
    for words, left, right in persian:
        assert right <= abs(left) + 2, words
    return len(persian)


def test_a_restore_is_planned_and_asked_for_in_persian(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/backup now")
    done = sara.wait_for_message(OPS, lambda message: "سند در" in tour.words(message), JOB_SECONDS)
    assert "انجام شد" in tour.words(done)
    sara.command(OPS, "/restore latest")
    plan = sara.wait_for_message(OPS, lambda message: tour.has_button(message, "confirm"), JOB_SECONDS)
    assert "جایگزین" in tour.words(plan)
    assert not re.search(r"\bwill be|\bdocuments\b|Nothing", tour.words(plan))
    with Window.open(browser, stage.slack.url, "U0SARA", OPS, size=(1280, 1700)) as window:
        newest(window).wait_for()
        window.page.screenshot(path=tmp_path / "plan.png")
        assert lines_are_from_right_to_left(newest(window)) >= 4
        sara.click(OPS, plan["ts"], "confirm")
        view = sara.wait_for_view("totp")
        assert view["submit"]["text"] == "تأیید"
        window.page.get_by_text("رمز یک‌بارمصرف").wait_for()
        window.page.screenshot(path=tmp_path / "question.png")
    answer = sara.submit(view["id"], {"code": {"code": "000000"}})
    sara.close(view["id"])
    assert "این رمز درست نیست" in str(answer)


def test_an_alert_is_told_and_acknowledged_in_persian(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    assert stage.alertmanager is not None
    sara, labels = stage.slack.person("U0SARA"), {"alertname": "SlowAnswers", "severity": "critical"}
    alerting.fire(
        stage.alertmanager.url, {**labels, "instance": "a:3000"}, summary="p95 is 1.2 s", started=datetime.now(UTC)
    )
    card = sara.wait_for_message(ALERTS, lambda message: "SlowAnswers" in tour.words(message), 20)
    sara.click(ALERTS, card["ts"], "alert_ack")
    card = sara.wait_for_message(ALERTS, lambda message: "برعهدهٔ" in tour.words(message), 20)
    with Window.open(browser, stage.slack.url, "U0SARA", ALERTS, size=PHONE) as window:
        newest(window).wait_for()
        window.page.screenshot(path=tmp_path / "alert.png", full_page=True)
        assert lines_are_from_right_to_left(newest(window)) >= 1


def test_health_is_told_in_persian(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health")
    sara.wait_for_message(OPS, lambda message: "سلامت" in tour.words(message) and
                          tour.has_button(message, "health_all"), 30)  # fmt: skip
    with Window.open(browser, stage.slack.url, "U0SARA", OPS, size=(1280, 1700)) as window:
        newest(window).wait_for()
        window.page.screenshot(path=tmp_path / "health.png")
        assert lines_are_from_right_to_left(newest(window)) >= 3


def test_what_one_person_sees_follows_their_locale_and_not_the_channels_language(stage: Stage) -> None:
    leila, sara = stage.slack.person("U0LEILA"), stage.slack.person("U0SARA")
    for person, word in ((leila, "هرگز سبز نیست"), (sara, "never green")):
        person.command(AUDIT, "/health help")
        seen = person.wait_for_message(AUDIT, lambda message, word=word: word in tour.words(message), 10)  # type: ignore[misc]
        assert "/health mongo" in tour.words(seen)
