"""A backup and a restore as people do them: the bot, MongoDB and Redis are real, and so is the browser.

- Everything is done on the page; the database is looked at only to compare it before and after.
- Equal means every document, option and index, the order of fields inside a validator included.
- Pictures of the plan, the modal and the finished cards are left in `tmp_path`, for a person to look at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from sandbox.demo import authenticator, shop, tour
from sandbox.demo.stage import Stage
from tests.conftest import needs
from tests.e2e.browser import Window

SIZE = (1280, 800)
ANSWER_MILLISECONDS = 20_000
JOB_MILLISECONDS = 120_000
BACKUP_DONE = "Backup of shop: done"
RESTORE_DONE = "into shop: done"
GUEST_REFUSED = "Guests cannot use this bot. Ask a full member of the workspace."


@pytest.fixture(scope="module")
def demo() -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "mongodump", "mongorestore"):
        needs(part)
    with Stage() as running:
        yield running


def look(browser: Browser, demo: Stage, person: str) -> Window:
    """This person's window at #ops."""
    return Window.open(browser, demo.slack.url, person, size=SIZE)


def messages(window: Window, text: str) -> Locator:
    """The messages in the channel that hold this text."""
    return window.page.locator('#messages [data-testid="message"]').filter(has_text=text)


def backups(demo: Stage) -> int:
    """How many cards of finished backups there are already."""
    return sum(BACKUP_DONE in tour.words(each) for each in demo.slack.person("U0SARA").messages(tour.OPS))


def picture(demo: Stage) -> dict[str, Any]:
    """Everything in the shop, to compare."""
    return shop.picture(demo.uri)


def a_wrong_code(key: str) -> str:
    """Six digits that are no code of these minutes."""
    now = authenticator.step_now()
    good = {authenticator.code(key, step) for step in range(now - 5, now + 6)}
    return next(code for code in (f"{number:06d}" for number in range(100)) if code not in good)


def type_the_right_code(window: Window, key: str) -> None:
    """Submits the code of now; when it is spent already, that of the next half minute."""
    for _ in range(3):
        window.find("input-code").fill(authenticator.code(key, authenticator.step_now()))
        expect(window.find("error-code")).to_have_count(0)
        window.find("modal-submit").click()
        # Either the modal is gone or it says why not.
        expect(window.page.locator('[data-testid="modal"][open]:not(:has([data-testid="error-code"]))')).to_have_count(
            0
        )
        if not window.find("modal").is_visible():
            return
        expect(window.find("error-code")).to_contain_text("already used")
        time.sleep(authenticator.STEP_SECONDS - time.time() % authenticator.STEP_SECONDS + 0.2)
    pytest.fail("no code was accepted")


@pytest.mark.timeout(240)
def test_what_was_lost_comes_back_with_two_commands_and_one_code(browser: Browser, demo: Stage, tmp_path: Path) -> None:
    before, cards = picture(demo), backups(demo)
    key = demo.keys["U0SARA"]
    with look(browser, demo, "U0SARA") as sara:
        sara.send("/backup now")
        expect(messages(sara, BACKUP_DONE)).to_have_count(cards + 1, timeout=JOB_MILLISECONDS)

        shop.live_on(demo.uri)
        spoiled = picture(demo)
        assert spoiled != before

        sara.send("/restore latest")
        expect(sara.find("button-confirm")).to_be_visible(timeout=ANSWER_MILLISECONDS)
        plan = sara.page.locator('[data-testid="message"]:has([data-testid="button-confirm"])')
        expect(plan).to_contain_text("into shop?")
        ts = plan.get_attribute("data-ts") or ""
        sara.picture(tmp_path / "plan.png")
        sara.find("button-confirm").click()
        expect(sara.find("input-code")).to_be_visible(timeout=ANSWER_MILLISECONDS)
        sara.picture(tmp_path / "modal.png")

        sara.find("input-code").fill(a_wrong_code(key))
        sara.find("modal-submit").click()
        expect(sara.find("error-code")).to_contain_text("That code is not right. Tries left: 2.")
        sara.picture(tmp_path / "wrong.png")
        assert picture(demo) == spoiled

        type_the_right_code(sara, key)
        expect(sara.message(ts)).to_contain_text(RESTORE_DONE, timeout=JOB_MILLISECONDS)
        expect(sara.find("button-confirm")).to_have_count(0)
        sara.picture(tmp_path / "done.png")
    assert picture(demo) == before


@pytest.mark.timeout(180)
def test_each_person_sees_what_is_for_them(browser: Browser, demo: Stage, tmp_path: Path) -> None:
    cards = backups(demo)
    with (
        look(browser, demo, "U0SARA") as sara,
        look(browser, demo, "U0OMID") as omid,
        look(browser, demo, "U0GUEST") as guest,
    ):
        guest.send("/backup now")
        refusal = messages(guest, GUEST_REFUSED)
        expect(refusal).to_have_count(1, timeout=ANSWER_MILLISECONDS)
        expect(refusal).to_contain_text("Only visible to you")
        guest.picture(tmp_path / "guest.png")

        sara.send("/backup help")
        help_text = messages(sara, "Only visible to you").filter(has_text="makes a copy of the database")
        expect(help_text.last).to_be_visible(timeout=ANSWER_MILLISECONDS)

        # The card comes after both, so whoever sees it would have seen them too.
        sara.send("/backup now")
        for window in (sara, omid, guest):
            expect(messages(window, BACKUP_DONE)).to_have_count(cards + 1, timeout=JOB_MILLISECONDS)
        expect(messages(omid, "Only visible to you")).to_have_count(0)
        expect(messages(guest, "Only visible to you")).to_have_count(1)
        expect(messages(sara, GUEST_REFUSED)).to_have_count(0)
        omid.picture(tmp_path / "omid.png")
