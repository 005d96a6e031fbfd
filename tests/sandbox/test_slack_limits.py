"""Slack's size limits: just at the limit passes, one over is refused with Slack's own error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, actions, button, modal, plain, web_client

Make = Callable[[int], list[JSON]]


@pytest.fixture(scope="module")
def slack() -> Iterator[LocalSlack]:
    with LocalSlack(rate_limits=False) as server:
        yield server


@pytest.fixture(scope="module")
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


def _error(refusal: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(refusal.value.response["error"])


def _text(size: int) -> str:
    return "x" * size


def _section(**more: object) -> list[JSON]:
    return [{"type": "section", "text": plain("hello"), **more}]


def _options(count: int) -> list[JSON]:
    return [{"text": plain(str(number)), "value": str(number)} for number in range(count)]


def _select(**more: object) -> list[JSON]:
    return _section(accessory={"type": "static_select", "action_id": "s", **more})


def _choice(kind: str) -> Make:
    return lambda n: _section(accessory={"type": kind, "action_id": "c", "options": _options(n)})


def _confirm(name: str) -> Make:
    def make(size: int) -> list[JSON]:
        dialog = {"title": plain("t"), "text": plain("t"), "confirm": plain("y"), "deny": plain("n")}
        return actions(button("b", confirm={**dialog, name: plain(_text(size))}))

    return make


def _input(**more: object) -> list[JSON]:
    element = {"type": "plain_text_input", "action_id": "a"}
    return [{"type": "input", "label": plain("l"), "element": element, **more}]


LIMITS: list[tuple[str, int, Make]] = [
    ("blocks of a message", 50, lambda n: [{"type": "divider"}] * n),
    ("section text", 3000, lambda n: _section(text=plain(_text(n)))),
    ("section fields", 10, lambda n: _section(fields=[plain("f")] * n)),
    ("section field text", 2000, lambda n: _section(fields=[plain(_text(n))])),
    ("header text", 150, lambda n: [{"type": "header", "text": plain(_text(n))}]),
    ("markdown text", 12000, lambda n: [{"type": "markdown", "text": _text(n)}]),
    ("context elements", 10, lambda n: [{"type": "context", "elements": [plain("c")] * n}]),
    ("actions elements", 25, lambda n: actions(*(button(f"b{i}") for i in range(n)))),
    ("block_id", 255, lambda n: _section(block_id=_text(n))),
    ("action_id", 255, lambda n: actions(button(_text(n)))),
    ("button text", 75, lambda n: actions({**button("b"), "text": plain(_text(n))})),
    ("button value", 2000, lambda n: actions(button("b", _text(n)))),
    ("button url", 3000, lambda n: actions(button("b", url="https://a.example/".ljust(n, "x")))),
    ("option text", 75, lambda n: _select(options=[{"text": plain(_text(n)), "value": "v"}])),
    ("option value", 150, lambda n: _select(options=[{"text": plain("t"), "value": _text(n)}])),
    ("options of a select", 100, lambda n: _select(options=_options(n))),
    (
        "option groups",
        100,
        lambda n: _select(option_groups=[{"label": plain("g"), "options": _options(1)}] * n),
    ),
    (
        "option group label",
        75,
        lambda n: _select(option_groups=[{"label": plain(_text(n)), "options": _options(1)}]),
    ),
    ("overflow options", 5, _choice("overflow")),
    ("radio options", 10, _choice("radio_buttons")),
    ("checkbox options", 10, _choice("checkboxes")),
    ("confirm title", 100, _confirm("title")),
    ("confirm text", 300, _confirm("text")),
    ("confirm button", 30, _confirm("confirm")),
    ("deny button", 30, _confirm("deny")),
    ("placeholder", 150, lambda n: _select(options=_options(1), placeholder=plain(_text(n)))),
    ("input label", 2000, lambda n: _input(label=plain(_text(n)))),
    ("input hint", 2000, lambda n: _input(hint=plain(_text(n)))),
    (
        "image alt text",
        2000,
        lambda n: [{"type": "image", "image_url": "https://a.example/i.png", "alt_text": _text(n)}],
    ),
    (
        "image title",
        2000,
        lambda n: [
            {
                "type": "image",
                "image_url": "https://a.example/i.png",
                "alt_text": "a",
                "title": plain(_text(n)),
            }
        ],
    ),
    (
        "image url",
        3000,
        lambda n: [{"type": "image", "image_url": "https://a.example/".ljust(n, "x"), "alt_text": "a"}],
    ),
]


@pytest.mark.parametrize(("limit", "make"), [(n, make) for _, n, make in LIMITS], ids=[x[0] for x in LIMITS])
def test_a_message_passes_at_the_limit_and_is_refused_one_over(client: WebClient, limit: int, make: Make) -> None:
    client.chat_postMessage(channel="C0OPS", text="t", blocks=make(limit))
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t", blocks=make(limit + 1))
    assert _error(refusal) == "invalid_blocks"
    messages = refusal.value.response["response_metadata"]["messages"]
    assert all(message.startswith("[ERROR]") and "json-pointer:/blocks" in message for message in messages)


BROKEN: list[tuple[str, list[JSON]]] = [
    ("an unknown block", [{"type": "carousel"}]),
    ("no type", [{"text": plain("x")}]),
    ("a section without text or fields", [{"type": "section"}]),
    ("an empty text", _section(text=plain(""))),
    ("mrkdwn in a header", [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]),
    ("mrkdwn on a button", actions({**button("b"), "text": {"type": "mrkdwn", "text": "x"}})),
    ("a bare string for text", [{"type": "section", "text": "hello"}]),
    ("a button without text", actions({"type": "button", "action_id": "b"})),
    ("a style that does not exist", actions(button("b", style="warning"))),
    ("emoji on mrkdwn", _section(text={"type": "mrkdwn", "text": "x", "emoji": True})),
    ("a property that does not exist", _section(color="red")),
    ("a block_id twice", [*_section(block_id="one"), *_section(block_id="one")]),
    ("an action_id twice in a block", actions(button("b"), button("b"))),
    ("no actions", actions()),
    ("an input element in actions", actions({"type": "plain_text_input", "action_id": "t"})),
    ("a button in an input", _input(element=button("b"))),
    ("an image without alt text", [{"type": "image", "image_url": "https://a.example/i.png"}]),
    ("an image without a source", [{"type": "image", "alt_text": "a"}]),
    (
        "an image Slack cannot reach",
        [{"type": "image", "alt_text": "a", "image_url": "http://127.0.0.1/i.png"}],
    ),
    ("a file that does not exist", [{"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}}]),
    ("an option without value", _select(options=[{"text": plain("t")}])),
    (
        "a first option that is not offered",
        _select(options=_options(1), initial_option={"text": plain("z"), "value": "z"}),
    ),
    ("a confirm without deny", actions(button("b", confirm={"title": plain("t"), "text": plain("t")}))),
    ("12,001 characters of markdown in two blocks", [{"type": "markdown", "text": _text(6001)}] * 2),
]


@pytest.mark.parametrize("blocks", [x[1] for x in BROKEN], ids=[x[0] for x in BROKEN])
def test_blocks_that_slack_does_not_know_are_refused(client: WebClient, blocks: list[JSON]) -> None:
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t", blocks=blocks)
    assert _error(refusal) == "invalid_blocks"


def test_the_text_of_all_blocks_together_is_limited(client: WebClient) -> None:
    blocks = [*_section(text=plain(_text(3000))), *_section(text=plain(_text(3000)))] * 2
    client.chat_postMessage(channel="C0OPS", text="t", blocks=[*blocks, *_section(text=plain(_text(1200)))])
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t", blocks=[*blocks, *_section(text=plain(_text(1201)))])
    assert _error(refusal) == "msg_blocks_too_long"


def test_blocks_that_are_not_a_list_of_objects_are_a_format_error(client: WebClient) -> None:
    for broken in ("{not json", '"text"', "[1]"):
        with pytest.raises(SlackApiError) as refusal:
            client.api_call("chat.postMessage", params={"channel": "C0OPS", "text": "t", "blocks": broken})
        assert _error(refusal) == "invalid_blocks_format"


def test_a_message_says_something(client: WebClient) -> None:
    with pytest.raises(SlackApiError) as refusal:
        client.api_call("chat.postMessage", params={"channel": "C0OPS", "text": " "})
    assert _error(refusal) == "no_text"


def test_a_posted_text_is_cut_at_40000_and_an_edit_over_4000_bytes_is_refused(client: WebClient) -> None:
    posted = client.chat_postMessage(channel="C0OPS", text=_text(40_001))
    assert len(posted["message"]["text"]) == 40_000
    client.chat_update(channel="C0OPS", ts=posted["ts"], text=_text(4000))
    for long in (_text(4001), "ب" * 2001, "&" * 801):
        with pytest.raises(SlackApiError) as refusal:
            client.chat_update(channel="C0OPS", ts=posted["ts"], text=long)
        assert _error(refusal) == "msg_too_long"


def test_more_than_100_attachments_are_refused(client: WebClient) -> None:
    client.chat_postMessage(channel="C0OPS", text="t", attachments=[{"text": "a"}] * 100)
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t", attachments=[{"text": "a"}] * 101)
    assert _error(refusal) == "too_many_attachments"


VIEW_LIMITS: list[tuple[str, int, Callable[[int], JSON]]] = [
    ("title", 24, lambda n: modal("m", title=plain(_text(n)))),
    ("submit", 24, lambda n: modal("m", submit=plain(_text(n)))),
    ("close", 24, lambda n: modal("m", close=plain(_text(n)))),
    ("callback_id", 255, lambda n: modal(_text(n))),
    ("private_metadata", 3000, lambda n: modal("m", private_metadata=_text(n))),
    ("blocks", 100, lambda n: modal("m", blocks=[{"type": "divider"}] * n)),
]


@pytest.mark.parametrize(("limit", "make"), [(n, make) for _, n, make in VIEW_LIMITS], ids=[x[0] for x in VIEW_LIMITS])
def test_a_view_passes_at_the_limit_and_is_refused_one_over(
    client: WebClient, limit: int, make: Callable[[int], JSON]
) -> None:
    with pytest.raises(SlackApiError) as fine:
        client.views_open(trigger_id="1.2.3", view=make(limit))
    assert _error(fine) == "invalid_trigger_id", "the view itself is fine; only the trigger is not"
    with pytest.raises(SlackApiError) as refusal:
        client.views_open(trigger_id="1.2.3", view=make(limit + 1))
    assert _error(refusal) == "invalid_arguments"
    assert "json-pointer:/view" in refusal.value.response["response_metadata"]["messages"][0]


def test_a_modal_with_an_input_needs_a_submit_button(client: WebClient) -> None:
    with pytest.raises(SlackApiError) as refusal:
        client.views_open(trigger_id="1.2.3", view=modal("m", submit=None))
    assert _error(refusal) == "invalid_arguments"
