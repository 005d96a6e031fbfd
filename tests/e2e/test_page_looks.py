"""Images, and how the page looks: light and dark, at a desk and on a phone. Each leaves its screenshot."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.e2e.browser import PHONE, Window
from tests.e2e.messages import gallery, png, say
from tests.sandbox.bolt_app import JSON, Stage, modal, plain


def test_an_image_block_shows_the_uploaded_file(client: WebClient, window: Window) -> None:
    file = client.files_upload_v2(content=png(300, 120), filename="plot.png", title="Plot")["files"][0]
    sources: list[JSON] = [{"id": file["id"]}, {"url": file["url_private"]}]
    blocks = [{"type": "image", "alt_text": "a plot", "slack_file": source} for source in sources]
    ts = say(client, blocks=blocks)
    for number in range(2):
        image = window.message(ts).get_by_alt_text("a plot").nth(number)
        expect(image).to_be_visible()
        image.evaluate("node => node.decode()")
        assert image.evaluate("node => [node.naturalWidth, node.naturalHeight]") == [300, 120]


def test_who_is_at_the_end_stays_there_when_an_image_loads_late(client: WebClient, window: Window) -> None:
    held: list[Route] = []
    window.page.route("**/files/*", lambda route: held.append(route))
    file = client.files_upload_v2(content=png(400, 400), filename="plot.png", title="Plot")["files"][0]
    for number in range(30):
        say(client, f"line {number}")
    last = say(client, blocks=[{"type": "image", "alt_text": "a plot", "slack_file": {"id": file["id"]}}])
    image = window.message(last).get_by_alt_text("a plot")
    expect(image).to_be_in_viewport()
    assert len(held) == 1
    held[0].continue_()
    image.evaluate("node => node.decode()")
    expect(image).to_be_in_viewport(ratio=1)


def test_who_reads_further_up_is_not_moved_by_a_new_message(client: WebClient, window: Window) -> None:
    for number in range(40):
        say(client, f"line {number}")
    expect(window.find("message").last).to_contain_text("line 39")
    window.page.locator("#scroll").evaluate("node => { node.scrollTop = 0; }")
    expect(window.find("message").first).to_be_in_viewport(ratio=1)
    last = say(client, "new")
    window.message(last).wait_for()
    expect(window.find("message").first).to_be_in_viewport(ratio=1)


PICTURES_THERE = """Promise.all([...document.images].filter(each => !each.complete).map(
    each => new Promise(done => { each.onload = each.onerror = done; })))"""
# Not wait_for_function: what it asks again and again, it makes by eval, which the page's policy forbids.


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_page_fits_its_window(
    browser: Browser, slack: LocalSlack, client: WebClient, tmp_path: Path, phone: bool, dark: bool
) -> None:
    gallery(client)
    size = PHONE if phone else (1200, 900)
    with Window.open(browser, slack.url, "U0SARA", size=size, dark=dark) as window:
        window.find("message").last.wait_for()
        window.page.evaluate(PICTURES_THERE)
        assert window.page.evaluate("document.documentElement.scrollWidth") == size[0]
        assert window.page.locator("#scroll").evaluate("node => node.scrollWidth - node.clientWidth") == 0
        expect(window.find("message").last).to_be_in_viewport(ratio=1)
        luminance = window.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(luminance) < 60) is dark
        window.picture(tmp_path / "page.png")
        if phone:
            expect(window.find("channel-C0ALERTS")).not_to_be_in_viewport()
            window.find("menu").click()
            expect(window.find("channel-C0ALERTS")).to_be_in_viewport()
            window.picture(tmp_path / "menu.png")
            window.find("channel-C0OPS").click()
            expect(window.find("channel-C0ALERTS")).not_to_be_in_viewport()
        window.find("replies").click()
        expect(window.find("thread-panel")).to_be_in_viewport()
        window.picture(tmp_path / "thread.png")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_a_modal_fits_its_window(
    browser: Browser, slack: LocalSlack, stage: Stage, client: WebClient, tmp_path: Path, phone: bool
) -> None:
    options = [{"text": plain(name), "value": name} for name in ("daily", "hourly")]
    ticks = {"type": "checkboxes", "action_id": "ticks", "options": options}
    more = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "Restores *shop* from `b-7`. " * 9}},
        *modal("totp")["blocks"],
        {"type": "input", "block_id": "ticks", "label": plain("Also"), "element": ticks, "optional": True},
    ]
    size = PHONE if phone else (1200, 800)
    with Window.open(browser, slack.url, "U0SARA", size=size) as window:
        window.send("/backup now")
        client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp", blocks=more))
        window.find("modal-submit").click()
        expect(window.find("error-code")).to_be_in_viewport()
        expect(window.find("modal-submit")).to_be_in_viewport(ratio=1)
        window.picture(tmp_path / "modal.png")
