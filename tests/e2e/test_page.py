"""The local Slack's page, in a real browser, with a real Bolt app behind it."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Browser, expect
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.e2e.browser import Window
from tests.e2e.messages import say
from tests.sandbox.bolt_app import Stage, actions, button, plain


def test_what_one_person_types_another_sees_at_once(browser: Browser, slack: LocalSlack) -> None:
    with (
        Window.open(browser, slack.url, "U0SARA") as sara,
        Window.open(browser, slack.url, "U0LEILA") as leila,
    ):
        sara.send("hello *there*, 1 < 2 & 3 > 2")
        heard = leila.find("message").last
        expect(heard.locator(".content")).to_have_text("hello there, 1 < 2 & 3 > 2")
        expect(heard.locator("strong.author")).to_have_text("Sara")
        expect(heard.locator(".content strong")).to_have_text("there")
        leila.send("سلام")
        expect(sara.find("message").last.locator("strong.author")).to_have_text("لیلا")


def test_an_ephemeral_is_seen_by_its_reader_only(
    browser: Browser, slack: LocalSlack, client: WebClient, window: Window
) -> None:
    client.chat_postEphemeral(channel="C0OPS", user="U0OMID", text="a code: 123")
    say(client, "for all")
    expect(window.find("message").last).to_contain_text("for all")
    expect(window.find("message")).to_have_count(1)
    with Window.open(browser, slack.url, "U0OMID") as omid:
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
    window.send("hi")
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


def test_a_choice_in_a_select_and_in_a_menu_reaches_the_app(stage: Stage, client: WebClient, window: Window) -> None:
    options = [{"text": plain(name), "value": name} for name in ("daily", "hourly")]
    chooser = {"type": "static_select", "action_id": "go", "placeholder": plain("Plan"), "options": options}
    say(client, blocks=actions(chooser))
    window.find("select-go").select_option("hourly")
    assert stage.next()["actions"][0]["selected_option"]["value"] == "hourly"
    say(client, blocks=actions({"type": "overflow", "action_id": "go", "options": options}))
    window.find("overflow-go").click()
    window.find("option-daily").click()
    assert stage.next()["actions"][0]["selected_option"]["value"] == "daily"


def test_a_command_that_fails_shows_slacks_own_words(stage: Stage, window: Window) -> None:
    window.send("/nothing")
    expect(window.find("failure")).to_have_text("`/nothing` is not a valid command.")
    expect(window.find("message").last).to_have_text(re.compile("/nothing is not a valid command"))
    window.send("/restore latest")
    failures = window.find("failure")
    expect(failures.last).to_have_text('/restore failed with the error "operation_timeout"')
    assert stage.payloads.empty()


def test_what_slack_refuses_is_given_back_to_its_writer(browser: Browser, slack: LocalSlack) -> None:
    with Window.open(browser, slack.url, "U0SARA", "C0ALERTS") as window:
        window.find("message").first.wait_for(state="detached")
        window.page.route("**/ui/message", lambda route: route.abort())
        window.send("lost?")
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


def test_a_thread_stands_in_its_panel(client: WebClient, window: Window) -> None:
    root = say(client, "the root")
    reply = say(client, "the first reply", thread_ts=root)
    expect(window.message(root).get_by_test_id("replies")).to_have_text("1 reply")
    expect(window.message(reply)).to_have_count(0)
    window.find("replies").click()
    expect(window.reply(reply)).to_contain_text("the first reply")
    window.send("mine", into="thread-composer")
    expect(window.find("thread-panel").get_by_test_id("message").last).to_contain_text("mine")
    expect(window.message(root).get_by_test_id("replies")).to_have_text("2 replies")
    window.send("/backup now", into="thread-composer")
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
    with Window.open(browser, slack.url, "U0OMID", "C0RANDOM") as window:
        window.page.goto(str(link))
        expect(window.message(first)).to_be_in_viewport()
        expect(window.message(first)).to_have_class(re.compile("pointed"))
        expect(window.find("as-select")).to_have_value("U0OMID")


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
