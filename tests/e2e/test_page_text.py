"""What people and apps write stays text, and reads as it does in Slack."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from slack_sdk import WebClient

from tests.e2e.browser import Window
from tests.e2e.messages import say

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "&lt;b&gt;not bold&lt;/b&gt; <javascript:alert(1)|click> \u202egnp.exe\u202c \u0007\u0000\u001b[31m end"
)
SHOWN = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> <b>not bold</b>"


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
    ts = say(client, "پشتیبان‌گیری از shop.orders تمام شد\nThe backup is done\n<@U0LEILA>\n<@U0LEILA> approves")
    lines = window.message(ts).locator(".content .line")
    expect(lines).to_have_count(4)
    gaps = lines.evaluate_all(
        """nodes => nodes.map(node => {
            const box = node.getBoundingClientRect();
            const range = document.createRange();
            range.selectNodeContents(node);
            const words = range.getBoundingClientRect();
            return [Math.round(words.left - box.left), Math.round(box.right - words.right)];
        })"""
    )
    assert gaps[0][0] > 100
    assert gaps[0][1] == 0
    assert [left for left, _ in gaps[1:]] == [0, 0, 0]


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
