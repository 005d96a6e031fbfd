"""Whatever an app sends as blocks, it is stored or refused; nothing crashes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.slack.errors import SlackError
from sandbox.slack.limits import check_message_blocks, check_view, elements_of
from tests.sandbox.bolt_app import modal

_NAMES = st.sampled_from(
    [
        "type",
        "text",
        "fields",
        "elements",
        "accessory",
        "element",
        "label",
        "options",
        "value",
        "confirm",
        "option_groups",
        "initial_option",
        "initial_options",
        "block_id",
        "action_id",
        "image_url",
        "slack_file",
        "alt_text",
        "style",
        "id",
        "url",
        "title",
        "hint",
        "submit",
        "blocks",
        "min_length",
        "initial_date",
    ]
)
_KINDS = st.sampled_from(
    [
        "section",
        "actions",
        "input",
        "image",
        "context",
        "header",
        "markdown",
        "rich_text",
        "plain_text",
        "mrkdwn",
        "button",
        "static_select",
        "multi_static_select",
        "overflow",
        "checkboxes",
        "datepicker",
        "plain_text_input",
        "number_input",
        "modal",
    ]
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), _KINDS, st.just("http://[")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_NAMES, inner, max_size=4),
        st.builds(lambda kind, rest: {**rest, "type": kind}, _KINDS, st.dictionaries(_NAMES, inner, max_size=4)),
    ),
    max_leaves=20,
)


@given(blocks=st.one_of(_VALUES, st.lists(st.dictionaries(_NAMES, _VALUES, max_size=5), max_size=3)))
def test_whatever_is_sent_is_accepted_or_refused_and_nothing_else(blocks: object) -> None:
    for check in (
        lambda: check_message_blocks(blocks, lambda reference: True),
        lambda: check_view({**modal("m"), "blocks": blocks}, lambda reference: True, "modal")["blocks"],
    ):
        try:
            stored = check()
        except SlackError:
            continue
        assert all(block["block_id"] for block in stored)
        assert all(element.get("type") for block in stored for element in elements_of(block))
