"""The local Slack's page, in a real browser, with a real Bolt app behind it."""

from __future__ import annotations

import re
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.e2e.browser import PHONE, Window, started
from tests.sandbox.bolt_app import JSON, Stage, actions, button, connected, modal, plain, web_client

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "&lt;b&gt;not bold&lt;/b&gt; <javascript:alert(1)|click> \u202egnp.exe\u202c \u0007\u0000\u001b[31m end"
)
SHOWN = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> <b>not bold</b>"


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
    with Window.open(browser, slack.url, channel="C0OPS", **{"as": "U0SARA"}) as opened:
        yield opened


def say(client: WebClient, text: str = "text", **more: Any) -> str:
    """A message of the app in #ops."""
    return str(client.chat_postMessage(channel="C0OPS", text=text, **more)["ts"])


def png(width: int, height: int) -> bytes:
    """A picture of one colour (PNG specification, section 11)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x2e\x8b\x57" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_what_one_person_types_another_sees_at_once(browser: Browser, slack: LocalSlack) -> None:
    with (
        Window.open(browser, slack.url, channel="C0OPS", **{"as": "U0SARA"}) as sara,
        Window.open(browser, slack.url, channel="C0OPS", **{"as": "U0LEILA"}) as leila,
    ):
        sara.type("hello *there*, 1 < 2 & 3 > 2")
        heard = leila.find("message").last
        expect(heard.locator(".content")).to_have_text("hello there, 1 < 2 & 3 > 2")
        expect(heard.locator("strong.author")).to_have_text("Sara")
        expect(heard.locator(".content strong")).to_have_text("there")
        leila.type("سلام")
        expect(sara.find("message").last.locator("strong.author")).to_have_text("لیلا")


def test_an_ephemeral_is_seen_by_its_reader_only(
    browser: Browser, slack: LocalSlack, client: WebClient, window: Window
) -> None:
    client.chat_postEphemeral(channel="C0OPS", user="U0OMID", text="a code: 123")
    say(client, "for all")
    expect(window.find("message").last).to_contain_text("for all")
    expect(window.find("message")).to_have_count(1)
    with Window.open(browser, slack.url, channel="C0OPS", **{"as": "U0OMID"}) as omid:
        secret = omid.find("message").filter(has_text="a code: 123")
        expect(secret).to_contain_text("Only visible to you")
        omid.find("as-select").select_option("U0SARA")
        expect(omid.find("message")).to_have_count(1)
        expect(omid.page).to_have_url(re.compile("as=U0SARA"))


def test_a_person_sees_the_channels_of_theirs(window: Window) -> None:
    window.find("channel-C0AUDIT").wait_for()
    window.find("as-select").select_option("U0GUEST")
    expect(window.find("channel-C0AUDIT")).to_have_count(0)
    expect(window.find("channel-C0OPS")).to_be_visible()
    window.find("channel-C0RANDOM").click()
    window.type("hi")
    expect(window.find("message")).to_have_text(re.compile("hi"))


def test_a_button_reaches_the_app_with_its_value_and_its_message(
    stage: Stage, client: WebClient, window: Window
) -> None:
    ts = say(client, blocks=actions(button("go", "plan 7", style="primary")))
    window.find("button-go").click()
    payload = stage.next()
    assert (payload["user"]["id"], payload["actions"][0]["value"]) == ("U0SARA", "plan 7")
    assert payload["message"]["ts"] == ts


def test_a_dangerous_button_asks_first(stage: Stage, client: WebClient, window: Window) -> None:
    confirm = {
        "title": plain("Sure?"),
        "text": plain("It drops *data*."),
        "confirm": plain("Drop"),
        "deny": plain("Keep"),
        "style": "danger",
    }
    say(client, blocks=actions(button("go", style="danger", confirm=confirm)))
    window.find("button-go").click()
    expect(window.find("confirm")).to_contain_text("It drops *data*.")
    window.find("confirm-no").click()
    expect(window.find("confirm")).to_have_count(0)
    window.find("button-go").click()
    window.page.keyboard.press("Escape")
    expect(window.find("confirm")).to_have_count(0)
    window.find("button-go").click()
    window.find("confirm-yes").click()
    assert stage.next()["actions"][0]["action_id"] == "go"
    assert stage.payloads.empty()


def test_a_choice_in_a_select_and_in_a_menu_reaches_the_app(
    stage: Stage, client: WebClient, window: Window
) -> None:
    options = [{"text": plain(name), "value": name} for name in ("daily", "hourly")]
    chooser = {"type": "static_select", "action_id": "go", "placeholder": plain("Plan"), "options": options}
    say(client, blocks=actions(chooser))
    window.find("select-go").select_option("hourly")
    assert stage.next()["actions"][0]["selected_option"]["value"] == "hourly"
    say(client, blocks=actions({"type": "overflow", "action_id": "go", "options": options}))
    window.find("overflow-go").click()
    window.find("option-daily").click()
    assert stage.next()["actions"][0]["selected_option"]["value"] == "daily"


def test_a_modal_shows_its_error_and_then_closes(stage: Stage, client: WebClient, window: Window) -> None:
    window.type("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    window.find("modal-submit").click()
    expect(window.find("error-code")).to_have_text("Please complete this required field.")
    stage.answer = {"response_action": "errors", "errors": {"code": "Wrong <b>code</b>."}}
    window.find("input-code").fill("111111")
    expect(window.find("error-code")).to_have_count(0)
    window.find("modal-submit").click()
    expect(window.find("error-code")).to_have_text("Wrong <b>code</b>.")
    expect(window.find("input-code")).to_have_value("111111")
    stage.next()
    stage.answer = {}
    window.find("input-code").fill("222222")
    window.find("input-code").press("Enter")
    expect(window.find("modal")).to_be_hidden()
    values = stage.next()["view"]["state"]["values"]
    assert values["code"]["code"]["value"] == "222222"


def test_modals_stack_and_the_lower_one_keeps_what_was_typed(
    stage: Stage, client: WebClient, window: Window
) -> None:
    window.type("/backup now")
    blocks = [*modal("totp")["blocks"], *actions(button("go"))]
    first = modal("totp", title=plain("First"), blocks=blocks, notify_on_close=True)
    client.views_open(trigger_id=stage.next()["trigger_id"], view=first)
    window.find("input-code").fill("typed")
    window.find("button-go").click()
    second = modal("totp", title=plain("Second"))
    client.views_push(trigger_id=stage.next()["trigger_id"], view=second)
    expect(window.find("modal").locator("h2")).to_have_text("Second")
    expect(window.find("input-code")).to_have_value("")
    window.find("modal-close").click()
    expect(window.find("modal").locator("h2")).to_have_text("First")
    expect(window.find("input-code")).to_have_value("typed")
    window.page.keyboard.press("Escape")
    expect(window.find("modal")).to_be_hidden()
    assert stage.next()["type"] == "view_closed"


def test_a_modal_is_for_one_person(stage: Stage, client: WebClient, window: Window) -> None:
    window.type("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    expect(window.find("modal")).to_be_visible()
    window.page.goto(f"{window.url}/?channel=C0OPS&as=U0OMID")
    window.find("channel-C0OPS").wait_for()
    window.type("still here")
    expect(window.find("message").last).to_contain_text("still here")
    expect(window.find("modal")).to_be_hidden()


def test_an_app_that_does_not_answer_a_submission_leaves_the_modal_with_the_failure(
    slack: LocalSlack, stage: Stage, client: WebClient, window: Window
) -> None:
    window.type("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    window.find("input-code").fill("1")
    stage.delay = 3.3
    window.find("modal-submit").click()
    expect(window.find("failure")).to_contain_text("We had some trouble connecting.")
    expect(window.find("modal")).to_be_visible()
    stage.next()


def test_a_command_that_fails_shows_slacks_own_words(stage: Stage, window: Window) -> None:
    window.type("/nothing")
    expect(window.find("failure")).to_have_text("`/nothing` is not a valid command.")
    expect(window.find("message").last).to_have_text(re.compile("/nothing is not a valid command"))
    window.type("/restore latest")
    failures = window.find("failure")
    expect(failures.last).to_have_text('/restore failed with the error "operation_timeout"')
    assert stage.payloads.empty()


def test_what_slack_refuses_is_given_back_to_its_writer(browser: Browser, slack: LocalSlack) -> None:
    with Window.open(browser, slack.url, channel="C0ALERTS", **{"as": "U0SARA"}) as window:
        window.find("message").first.wait_for(state="detached")
        window.page.route("**/ui/message", lambda route: route.abort())
        window.type("lost?")
        expect(window.find("failure")).to_contain_text("The server did not answer.")
        expect(window.find("composer")).to_have_value("lost?")
        assert [each for each in window.troubles if "ERR_FAILED" not in each] == []
        window.troubles.clear()


def test_the_composer_hints_at_commands(window: Window) -> None:
    window.find("composer").fill("/re")
    hints = window.find("composer-hints")
    expect(hints).to_contain_text("/restore")
    expect(hints).not_to_contain_text("/backup")
    window.find("composer").press("Tab")
    expect(window.find("composer")).to_have_value("/restore ")
    expect(hints).to_contain_text("[ID|latest] [target]")


def test_hostile_text_stays_text(client: WebClient, window: Window) -> None:
    title = window.page.title()
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": HOSTILE}},
        {"type": "section", "fields": [{"type": "plain_text", "text": HOSTILE}]},
        {"type": "markdown", "text": f"# {HOSTILE}\n[click](javascript:alert(1))"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": f"`{HOSTILE}`"}]},
    ]
    first = say(client, HOSTILE)
    second = say(client, HOSTILE, blocks=blocks)
    window.message(second).wait_for()
    expect(window.message(first).locator(".content")).to_contain_text(SHOWN)
    text = window.message(first).locator(".content").text_content() or ""
    assert "\u202egnp.exe\u202c" in text
    assert text.endswith("end")
    for ts in (first, second):
        assert window.message(ts).locator("script, img, b, a").count() == 0
    assert window.page.title() == title


def test_a_right_to_left_override_ends_with_its_own_text(client: WebClient, window: Window) -> None:
    ts = say(client, "<https://shop.example|\u202elabel> then plain words")
    link = window.message(ts).locator("a")
    expect(link).to_have_attribute("title", "https://shop.example/")
    bound = "node => getComputedStyle(node).unicodeBidi"
    assert link.evaluate(bound) == "isolate"
    assert window.message(ts).locator(".author").evaluate(bound) == "isolate"


def test_each_line_has_the_direction_of_its_own_language(client: WebClient, window: Window) -> None:
    ts = say(client, "پشتیبان‌گیری از shop.orders تمام شد\nThe backup is done")
    text = window.message(ts).locator(".content .text")
    edges = text.evaluate(
        """node => {
            const box = node.getBoundingClientRect();
            const range = document.createRange();
            range.selectNodeContents(node);
            return [...range.getClientRects()].map(
                each => [Math.round(each.left - box.left), Math.round(box.right - each.right)]);
        }"""
    )
    assert edges[0][1] == 0
    assert edges[0][0] > 100
    assert edges[-1][0] == 0


def test_mrkdwn_is_shown_as_slack_shows_it(client: WebClient, window: Window) -> None:
    ts = say(
        client,
        "*bold* _it_ ~no~ `a *b*` <@U0LEILA> <#C0ALERTS> <https://shop.example/a?b=1&amp;c=2|the plan> "
        ":white_check_mark: 2*3*4\n> quoted\n```pre &lt;x&gt; *raw*```",
    )
    content = window.message(ts).locator(".content")
    expect(content.locator("strong")).to_have_text("bold")
    expect(content.locator("em")).to_have_text("it")
    expect(content.locator("s")).to_have_text("no")
    expect(content.locator("code").first).to_have_text("a *b*")
    expect(content.locator(".mention").first).to_have_text("@لیلا")
    expect(content.locator("a")).to_have_attribute("href", "https://shop.example/a?b=1&c=2")
    expect(content).to_contain_text("✅ 2*3*4")
    expect(content.locator("blockquote")).to_have_text("quoted")
    expect(content.locator("pre")).to_have_text("pre <x> *raw*")
    content.get_by_text("#alerts").click()
    expect(window.page).to_have_url(re.compile("channel=C0ALERTS"))


def test_a_thread_stands_in_its_panel(client: WebClient, window: Window) -> None:
    root = say(client, "the root")
    reply = say(client, "the first reply", thread_ts=root)
    expect(window.message(root).get_by_test_id("replies")).to_have_text("1 reply")
    expect(window.message(reply)).to_have_count(0)
    window.find("replies").click()
    expect(window.reply(reply)).to_contain_text("the first reply")
    window.type("mine", into="thread-composer")
    expect(window.find("thread-panel").get_by_test_id("message").last).to_contain_text("mine")
    expect(window.message(root).get_by_test_id("replies")).to_have_text("2 replies")
    window.type("/backup now", into="thread-composer")
    expect(window.find("failure")).to_have_text("/backup is not supported in threads. Sorry!")
    window.find("thread-close").click()
    expect(window.find("thread-panel")).to_be_hidden()


def test_edits_and_deletions_are_live(client: WebClient, window: Window) -> None:
    ts = say(client, "running")
    expect(window.message(ts)).to_contain_text("running")
    client.chat_update(channel="C0OPS", ts=ts, text="done")
    expect(window.message(ts)).to_contain_text("done(edited)")
    client.chat_delete(channel="C0OPS", ts=ts)
    expect(window.message(ts)).to_have_count(0)


def test_an_update_of_another_message_leaves_an_open_menu_open(client: WebClient, window: Window) -> None:
    options = [{"text": plain("one"), "value": "one"}]
    say(client, blocks=actions({"type": "overflow", "action_id": "go", "options": options}))
    window.find("overflow-go").click()
    ts = say(client, "another")
    expect(window.message(ts)).to_be_visible()
    expect(window.find("option-one")).to_be_focused()


def test_a_link_to_a_message_opens_its_channel_and_points_at_it(
    browser: Browser, slack: LocalSlack, client: WebClient
) -> None:
    first = say(client, "the one")
    for number in range(40):
        say(client, f"later {number}")
    link = client.chat_getPermalink(channel="C0OPS", message_ts=first)["permalink"]
    with Window.open(browser, slack.url, channel="C0RANDOM", **{"as": "U0OMID"}) as window:
        window.page.goto(str(link))
        expect(window.message(first)).to_be_in_viewport()
        expect(window.message(first)).to_have_class(re.compile("pointed"))
        expect(window.find("as-select")).to_have_value("U0OMID")


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


def test_the_home_tab_shows_what_the_app_published_and_its_buttons_work(
    stage: Stage, client: WebClient, window: Window
) -> None:
    window.find("home").click()
    expect(window.find("home-tab")).to_contain_text("no Home tab yet")
    view = {"type": "home", "blocks": [{"type": "header", "text": plain("Backups")}, *actions(button("go"))]}
    client.views_publish(user_id="U0SARA", view=view)
    expect(window.find("home-tab")).to_contain_text("Backups")
    window.find("button-go").click()
    assert stage.next()["view"]["type"] == "home"


def test_unread_channels_are_marked_until_they_are_opened(client: WebClient, window: Window) -> None:
    client.chat_postMessage(channel="C0ALERTS", text="fire")
    place = window.find("channel-C0ALERTS")
    expect(place).to_have_class(re.compile("unread"))
    place.click()
    expect(window.find("message")).to_contain_text("fire")
    expect(place).not_to_have_class(re.compile("unread"))


def gallery(client: WebClient) -> None:
    """Messages of every kind, for the eye."""
    file = client.files_upload_v2(content=png(420, 130), filename="plot.png", title="Plot")["files"][0]
    options = [{"text": plain(name), "value": name} for name in ("daily", "hourly")]
    fields = ["*Database*\nshop", "*Size*\n1.2 GiB", "*Asked by*\n<@U0LEILA>", "*Target*\n`shop_restored`"]
    root = say(
        client,
        blocks=[
            {"type": "header", "text": plain("Restore of 2024-05-01 :hourglass_flowing_sand:")},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "Waits for *two* people. <https://shop.example|The plan>"},
                "accessory": {"type": "overflow", "action_id": "more", "options": options},
            },
            {"type": "section", "fields": [{"type": "mrkdwn", "text": each} for each in fields]},
            {"type": "divider"},
            {
                "type": "actions",
                "elements": [
                    button("approve", style="primary", text=plain("Approve")),
                    button("deny", style="danger", text=plain("Deny")),
                    button("show", text=plain("Details")),
                    {
                        "type": "static_select",
                        "action_id": "plan",
                        "placeholder": plain("Plan"),
                        "options": options,
                    },
                ],
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "Ends in 10 minutes · job `j-17`"}]},
        ],
    )
    say(client, "a reply", thread_ts=root)
    say(client, "نسخهٔ پشتیبان *shop* آماده است :white_check_mark: (۱٫۲ گیگابایت)\n> نقل قول\nand English again")
    say(client, "*Steps*\n• dump\n• check\n```mongodump --archive | zstd\nsha256 ok```")
    say(client, blocks=[{"type": "image", "alt_text": "a plot", "slack_file": {"id": file["id"]}}])
    client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="Your code was wrong. Two tries are left.")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_page_fits_its_window(
    browser: Browser, slack: LocalSlack, client: WebClient, tmp_path: Path, phone: bool, dark: bool
) -> None:
    gallery(client)
    size = PHONE if phone else (1200, 900)
    place = {"channel": "C0OPS", "as": "U0SARA"}
    with Window.open(browser, slack.url, size=size, dark=dark, **place) as window:
        window.find("message").last.wait_for()
        window.page.wait_for_function("[...document.images].every(each => each.complete)")
        assert window.page.evaluate("document.documentElement.scrollWidth") == size[0]
        assert window.page.locator("#scroll").evaluate("node => node.scrollWidth - node.clientWidth") == 0
        expect(window.find("message").last).to_be_in_viewport()
        luminance = window.page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
        )
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
    with Window.open(browser, slack.url, size=size, channel="C0OPS", **{"as": "U0SARA"}) as window:
        window.type("/backup now")
        client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp", blocks=more))
        window.find("modal-submit").click()
        expect(window.find("error-code")).to_be_in_viewport()
        expect(window.find("modal-submit")).to_be_in_viewport(ratio=1)
        window.picture(tmp_path / "modal.png")


def test_the_page_catches_up_when_its_stream_was_cut(client: WebClient, window: Window) -> None:
    window.page.route("**/ui/events*", lambda route: route.abort())
    window.find("as-select").select_option("U0OMID")
    expect(window.page.locator("#offline")).to_be_visible()
    say(client, "while it was cut")
    expect(window.find("message")).to_contain_text("while it was cut")
    window.page.unroute("**/ui/events*")
    expect(window.page.locator("#offline")).to_be_hidden()
    before = time.monotonic()
    say(client, "and after")
    expect(window.find("message").last).to_contain_text("and after")
    assert time.monotonic() - before < 1.5
    window.troubles.clear()
