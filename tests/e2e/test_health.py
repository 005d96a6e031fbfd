"""/health as it is lived: real MongoDB and Redis, a black hole instead of what answers nothing, one card."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bot.adapters.state_redis import RedisState
from handlers.core.words.answers import TargetName
from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers.black_hole import black_hole
from sandbox.servers.bot import Bot
from tests.conftest import needs
from tests.e2e.browser import PHONE, Window
from tests.handlers.test_health_checks import SHOP

OPS = "C0OPS"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    for part in ("mongod", "redis-server"):
        needs(part)
    with black_hole() as hole:
        more = {"PUBLIC_URL": f"http://127.0.0.1:{hole}/", "PROMETHEUS_URL": f"http://127.0.0.1:{hole}"}
        with Stage(planted=False, more=more) as running:
            yield running


def test_what_hangs_is_told_as_not_known_beside_what_answers(stage: Stage, browser: Browser) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health")
    card = sara.wait_for_message(OPS, lambda message: "not known" in tour.words(message), 20)
    words = tour.words(card)
    assert f"Health of {SHOP}" in words
    assert "is the primary" not in words, "what is well is counted, not listed"
    assert "authorization is off" in words
    assert "There is no good backup" in words
    assert "did not answer" in words
    with Window.open(browser, stage.slack.url, "U0SARA", OPS, size=PHONE) as window:
        window.page.get_by_role("button", name="mongo").last.click()
        section = sara.wait_for_message(OPS, lambda message: "is the primary" in tour.words(message), 20)
    assert tour.has_button(section, "health_all")


def test_an_hour_ago_is_compared_by_a_button_and_nothing_known_is_not_nothing_changed(
    stage: Stage, browser: Browser, tmp_path: Path
) -> None:
    sara, target = stage.slack.person("U0SARA"), TargetName(SHOP)
    sara.command(OPS, "/health compare mongo")
    sara.wait_for_message(OPS, lambda message: "nothing is known of an hour ago" in tour.words(message), 20)
    state = RedisState(stage.given["REDIS_URL"])
    held = state.get(f"looks:{target}")
    assert held is not None
    kept = json.loads(held.value)
    kept["mongo"] = kept["mongo"][:1]
    kept["mongo"][0]["at"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    kept["mongo"][0]["of"]["authentication"] = ["pass", "on"]
    assert state.put_if(f"looks:{target}", json.dumps(kept).encode(), held.version, seconds=600)
    sara.command(OPS, "/health mongo")
    sara.wait_for_message(OPS, lambda message: tour.has_button(message, "health_compare"), 20)
    with Window.open(browser, stage.slack.url, "U0SARA", OPS, size=PHONE) as window:
        window.page.get_by_role("button", name="Compare with an hour ago").last.click()
        card = sara.wait_for_message(OPS, lambda message: "1 verdicts and" in tour.words(message), 20)
        window.page.wait_for_timeout(1000)
        window.page.screenshot(path=tmp_path / "compare.png")
    assert "✗ was ✓: Whoever reaches it may do everything" in tour.words(card)


def test_a_section_that_is_not_configured_says_how(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health help")
    sara.wait_for_message(OPS, lambda message: "never green" in tour.words(message), 10)


def test_the_audit_record_says_who_looked(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health audit")
    card = sara.wait_for_message(OPS, lambda message: "of 26 hold" in tour.words(message), 20)
    assert "S25" in tour.words(card)
    sara.command(OPS, "/audit by U0SARA operation health")
    sara.wait_for_message(OPS, lambda message: "health.look" in tour.words(message), 20)
    sara.command(OPS, "/audit verify")
    sara.wait_for_message(OPS, lambda message: "is whole" in tour.words(message), 20)


def test_the_home_tab_shows_how_things_stand(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health")  # on its own: another process may run the other tests of this file
    sara.wait_for_message(OPS, lambda message: "not known" in tour.words(message), 20)
    sara.open_home()
    home = str(sara.wait_for(sara.home, 10))
    for said in ("not known of", "No alert is open", "backup is made", "You are enrolled"):
        assert said in home
    with Window.open(browser, stage.slack.url, "U0SARA", OPS) as window:
        window.find("home").click()
        expect(window.find("home-tab")).to_contain_text("How things stand")
        window.page.screenshot(path=tmp_path / "home.png")


def test_a_round_of_updates_is_acknowledged_by_a_button(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health updates")
    card = sara.wait_for_message(OPS, lambda message: tour.has_button(message, "task_done"), 20)
    sara.click(OPS, card["ts"], "task_done")
    sara.wait_for_message(OPS, lambda message: "it is on record" in tour.words(message), 20)
    sara.command(OPS, "/health updates")
    sara.wait_for_message(OPS, lambda message: "1 rounds are on record" in tour.words(message), 20)


def test_the_scorecard_is_printed_as_json_and_markdown(stage: Stage) -> None:
    def printed(form: str) -> str:
        command = [sys.executable, "-m", "bot", "health", "audit", "--format", form]
        environment = Bot(stage.given).environment()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1, ended.stderr
        return ended.stdout

    rows = json.loads(printed("json"))["rows"]
    assert [each["row"] for each in rows] == [f"S{number}" for number in range(1, 27)]
    assert all(each["evidence"] for each in rows)
    assert printed("markdown").startswith("# Production readiness of shop")
