"""/health as it is lived: real MongoDB and Redis, a black hole instead of what answers nothing, one card."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from tests.conftest import needs
from tests.e2e.browser import PHONE, Window
from tests.handlers.test_health_checks import SHOP

OPS = "C0OPS"


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:
        yield hole.getsockname()[1]


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


def test_a_section_that_is_not_configured_says_how(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health help")
    sara.wait_for_message(OPS, lambda message: "never green" in tour.words(message), 10)


def test_the_audit_record_says_who_looked(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/health audit")
    sara.wait_for_message(OPS, lambda message: "entries, in order" in tour.words(message), 20)
    sara.command(OPS, "/audit by U0SARA operation health")
    sara.wait_for_message(OPS, lambda message: "health.look" in tour.words(message), 20)
    sara.command(OPS, "/audit verify")
    sara.wait_for_message(OPS, lambda message: "is whole" in tour.words(message), 20)
