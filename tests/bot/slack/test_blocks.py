"""Cards as blocks: whatever their values are, Slack takes them and no value comes alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.slack.blocks import Drawn, draw, draw_note
from bot.slack.mrkdwn import mrkdwn, plain_text, size
from handlers.core.words.cards import Button, Card, Fact, Picture, Tone
from handlers.core.words.text import Bytes, Code, Lines, Linked, Person, Seconds, Text
from sandbox.slack.limits import check_message_blocks, update_text_bytes
from tests.bot.slack.stage import JSON

HOSTILE = (
    "<!channel>", "<!here|x>", "<@U0SARA>", "<https://evil.example|prod OK>", "&lt;!channel&gt;", "*b*", "_i_", "~s~",
    "`c`", "```x```", ":white_check_mark:", "> quoted", "&gt; quoted", "|", "a\nb", "\u202eevil", "\x00\x1b[31m",
    "https://evil.example", "#general", "@here", "{a}", "", " ", "a_b", "_id_", "\ud800", "😀" * 40,
)  # fmt: skip
MOMENT = datetime(2026, 11, 24, 3, 12, 7, tzinfo=UTC)

strings = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet="<>&*_~`|:!@#^{}/ \n\tabU0é\u202e\u2028😀", max_size=60),
    st.lists(st.sampled_from(HOSTILE), max_size=400).map("".join),
    st.text(max_size=20),
)
urls = st.one_of(
    strings,
    strings.map(lambda path: f"https://grafana.example/{path}"),
    st.sampled_from(["https://a.example/d/1?a=1&b=2", "https://a@b.example/", "javascript:alert(1)", "https://a:x/"]),
)
simple = st.one_of(
    strings,
    strings.map(Code),
    strings.map(Person),
    st.lists(strings, max_size=30).map("\n".join).map(Lines),
    st.builds(Linked, strings, urls),
    st.integers(),
    st.integers(0, 10**15).map(Bytes),
    st.floats(0, 10**7).map(Seconds),
    st.datetimes(timezones=st.just(UTC)),
)
TEMPLATES = ("{a}", "Restored {a} from {b}.", "{a}{b}", "({b}) & <ID> {a}", "`run {a}`", "No values at all")


def texts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Text]:
    return st.builds(lambda template, a, b: Text(template, a=a, b=b), st.sampled_from(TEMPLATES), values, values)


some_text = texts(st.one_of(simple, texts(simple)))
buttons = st.builds(
    Button,
    action=st.sampled_from(["confirm", "job_cancel", "restore_pick", "x" * 300, ""]),
    label=some_text,
    value=st.one_of(strings, st.just("v" * 2001)),
    danger=st.booleans(),
    primary=st.booleans(),
    question=st.none() | some_text,
)
cards = st.builds(
    Card,
    title=some_text,
    tone=st.sampled_from(Tone),
    lines=st.lists(some_text, max_size=60).map(tuple),
    facts=st.lists(st.builds(Fact, some_text, some_text), max_size=60).map(tuple),
    progress=st.none() | st.floats(),
    buttons=st.lists(buttons, max_size=40).map(tuple),
    footer=st.none() | some_text,
)
LIVE = re.compile(r"<[^>]*>?")
OURS = re.compile(
    r"<@[UW][A-Z0-9]{2,}>|<!date\^\d+\^\{date_short_pretty\} \{time\}\|[-0-9: ]{19} UTC>|<https://(?:grafana|a|evil)\.example[^<>|\s*~`]*\|[^<>]*>"
)
SPANS = re.compile(r"```\n.*?\n```|`[^`\n]+`", re.DOTALL)


def spoken(value: object) -> Iterator[str]:
    """Every mrkdwn text inside blocks."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from spoken(each)
    elif isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            assert value["verbatim"] is True
            yield str(value["text"])
        for each in value.values():
            yield from spoken(each)


def check_quiet(shown: str) -> None:
    """Nothing lives in it but what we made."""
    assert [each for each in LIVE.findall(shown) if not OURS.fullmatch(each)] == []
    assert re.search(r"&(?!(amp|lt|gt);)", shown) is None


@given(cards)
def test_slack_takes_any_card_and_nothing_in_it_is_alive(card: Card) -> None:
    drawn = draw(card)
    check_message_blocks(list(drawn.blocks), lambda _: True)
    assert len(drawn.blocks) <= 50
    assert update_text_bytes(drawn.text) <= 4000
    assert drawn.text.strip()
    for shown in [drawn.text, *spoken(drawn.blocks)]:
        check_quiet(shown)


@given(some_text)
def test_slack_takes_any_note(note: Text) -> None:
    drawn = draw_note(note)
    check_message_blocks(list(drawn.blocks), lambda _: True)
    assert update_text_bytes(drawn.text) <= 4000
    check_quiet(drawn.text)


@given(st.one_of(simple, texts(simple)), st.one_of(simple, strings), st.integers(20, 3000))
@example("a" * 50, Code("*b*"), 20)
@example("0__0", "<!channel>", 20)
@example("_a_", "__b__", 300)
def test_a_value_formats_nothing(one: object, two: object, limit: int) -> None:
    shown = mrkdwn(Text("Of {a}, then {b}.", a=one, b=two), limit)
    assert size(shown) <= limit
    bare = SPANS.sub("C", OURS.sub("O", shown))
    assert not set("*~`") & set(bare)
    # A run of underscores formats nothing between two letters or digits, and stands nowhere else.
    assert re.search(r"(?<![A-Za-z0-9_])_|_(?![A-Za-z0-9_])", bare) is None
    assert re.search(r":[\w+'-]+:", bare) is None or re.search(r"\d+:\d+:\d+", bare)
    check_quiet(shown)


@given(strings, strings)
def test_a_value_inside_backticks_of_a_template_cannot_end_them(one: str, two: str) -> None:
    shown = mrkdwn(Text("Type `run {a} {b}` now", a=Code(one), b=Lines(two)), 3000)
    assert shown.count("`") == 2
    assert shown.endswith("` now")


@given(some_text, st.integers(30, 150))
def test_plain_text_is_one_line_within_its_limit(text: Text, limit: int) -> None:
    shown = plain_text(text, limit)
    assert size(shown) <= limit
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("a & b", "a &amp; b"),
        ("*b* _i_ ~s~ `c`", "∗b∗ ˍiˍ ∼s∼ ˋcˋ"),
        ("shop_orders__v2", "shop_orders__v2"),
        (":fire: 12:30", "∶fire: 12:30"),
        ("> quoted", "› quoted"),
        (Code("_id_"), "`_id_`"),
        (Code("a`b"), "`aˋb`"),
        (Code(""), "—"),
        (Person("U0SARA"), "<@U0SARA>"),
        (Person("U0SARA>\n<!channel"), "`U0SARA&gt; &lt;!channel`"),
        (Person("U0SARA\n"), "`U0SARA`"),
        (Person("@sara"), "`@sara`"),
        (Bytes(1500), "1.5 kB"),
        (Seconds(12), "12 s"),
        (1234567, "1,234,567"),
        (MOMENT, "<!date^1795489927^{date_short_pretty} {time}|2026-11-24 03:12:07 UTC>"),
        (Linked("its card", "https://s.slack.com/archives/C1/p2"), "<https://s.slack.com/archives/C1/p2|its card>"),
        (Linked("a<b>", "https://a.example/?x=1&y=2"), "<https://a.example/?x=1&amp;y=2|a&lt;b&gt;>"),
        (Linked("x", "javascript:alert(1)"), "x"),
        (Linked("x", "https://a.example/>|<!channel>"), "x"),
        (Linked("x", "https://a.example/`b`"), "x"),
        (Linked("x", "https://bank.example@evil.example/"), "x"),
        (Linked("x", "https://a.example/" + "y" * 400), "x"),
        (Linked("", "https://a.example/"), ""),
        (Text("<{x}>", x="<b>"), "&lt;&lt;b&gt;&gt;"),
        (Lines("one\n<two> `"), "```\none\n&lt;two&gt; ˋ\n```"),
    ],
)
def test_how_a_value_is_spelled(value: object, shown: str) -> None:
    assert mrkdwn(Text("{v}", v=value), 3000) == shown


def test_output_keeps_its_last_lines() -> None:
    shown = mrkdwn(Text("It said:{out}", out=Lines("\n".join(f"line {n}" for n in range(1000)))), 3000)
    assert "line 999\n```" in shown
    assert re.search(r"… \+\d{3} ↑\n", shown)
    assert "line 0\n" not in shown


def kinds(drawn: Drawn) -> list[str]:
    return [block["type"] for block in drawn.blocks]


def test_a_whole_card_reads_from_title_to_buttons() -> None:
    drawn = draw(
        Card(
            Text("Backing up shop"),
            Tone.WORKING,
            (Text("One"), Text("Two")),
            (Fact(Text("Size"), Text("{size}", size=Bytes(5))),),
            0.427,
            (Button("job_cancel", Text("Cancel"), "j1", danger=True, question=Text("Stop it?")),),
            Text("Footer"),
        )
    )
    title, lines, facts, bar, footer, row = drawn.blocks
    assert title == {"type": "header", "text": {"type": "plain_text", "text": "⏳ Backing up shop", "emoji": True}}
    assert lines["text"]["text"] == "One\nTwo"
    assert facts["fields"][0]["text"] == "*Size*\n5 B"
    assert bar["text"]["text"] == "▰▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱▱▱ 42 %"
    assert footer["elements"][0]["text"] == "Footer"
    [button] = row["elements"]
    assert (button["action_id"], button["value"], button["style"]) == ("job_cancel", "j1", "danger")
    assert button["confirm"]["text"]["text"] == "Stop it?"
    assert drawn.text == "⏳ Backing up shop\n42 %\nOne\nTwo\nSize: 5 B\nFooter"


@pytest.mark.parametrize(
    "title",
    [
        Text("By {who}", who=Person("U0SARA")),
        Text("{c}", c=Code("b1")),
        Text("x" * 151),
        Text("Type `help`"),
        Text("{t}", t=Text("{at}", at=MOMENT)),
    ],
)
def test_a_title_that_a_header_cannot_show_is_a_section(title: Text) -> None:
    [block] = draw(Card(title)).blocks
    assert block["type"] == "section"


def test_what_does_not_fit_is_counted() -> None:
    many = Card(
        Text("Many"),
        lines=tuple(Text(f"{'line ' * 30}{n}") for n in range(200)),
        facts=tuple(Fact(Text("f"), Text("v")) for _ in range(50)),
        buttons=tuple(Button("restore_pick", Text("Restore"), f"b{n}") for n in range(30)),
    )
    drawn = draw(many)
    shown = "\n".join(spoken(drawn.blocks))
    lines = re.findall(r"^(?:line ){30}(\d+)$", shown, re.MULTILINE)
    assert lines == [str(n) for n in range(len(lines))]
    assert 30 < len(lines) < 200
    assert f"+{200 - len(lines)} more" in shown
    assert "+10 more" in shown
    assert "+5 more buttons" in shown
    assert kinds(drawn).count("actions") == 25


def test_the_same_action_stands_in_a_row_of_its_own() -> None:
    picks = (Button("a", Text("A"), "1"), Button("b", Text("B"), "2"), Button("a", Text("A"), "3"))
    rows = [[each["value"] for each in block["elements"]] for block in draw(Card(Text("t"), buttons=picks)).blocks[1:]]
    assert rows == [["1", "2"], ["3"]]


@pytest.mark.parametrize(
    ("progress", "shown"),
    [(0.0, "▱ 0 %"), (1.0, "▰ 100 %"), (0.999, "▱ 99 %"), (-3.0, "▱ 0 %"), (float("inf"), "▰ 100 %")],
)
def test_the_bar_never_says_more_than_is_true(progress: float, shown: str) -> None:
    [_, bar] = draw(Card(Text("t"), progress=progress)).blocks
    assert bar["text"]["text"].endswith(shown)


def test_an_unmeasured_job_has_no_bar() -> None:
    assert kinds(draw(Card(Text("t"), progress=float("nan")))) == ["header"]


def test_the_digest_follows_what_is_shown_and_nothing_else() -> None:
    card = Card(Text("{v}", v="x"))
    assert draw(card).digest == draw(Card(Text("x"))).digest
    for other in (replace(card, tone=Tone.BAD), replace(card, progress=0.5), replace(card, title=Text("y"))):
        assert draw(other).digest != draw(card).digest


def test_a_button_that_slack_would_refuse_is_left_out_and_counted() -> None:
    blocks: list[JSON] = list(draw(Card(Text("t"), buttons=(Button("a", Text("A"), "v" * 2001),))).blocks)
    assert [block["type"] for block in blocks] == ["header", "context"]
    assert blocks[1]["elements"][0]["text"] == "+1 more buttons"


@pytest.mark.parametrize("file", ["", "f1", "F", "F1 ", "F1\n", "F1/../x", "https://evil.example/x.png", "C0OPS"])
def test_only_an_id_of_slack_is_a_picture(file: str) -> None:
    card = Card(Text("Slow"), picture=Picture(file, Text("a plot")))
    assert draw(card) == draw(replace(card, picture=None))


@given(texts(strings))
def test_a_picture_stands_above_the_buttons_and_is_described(alt: Text) -> None:
    card = Card(Text("Slow"), buttons=(Button("a", Text("b"), "c"),), picture=Picture("F0AB12", alt))
    drawn = draw(card)
    assert [each["type"] for each in drawn.blocks] == ["header", "image", "actions"]
    check_message_blocks(list(drawn.blocks), lambda reference: reference == {"id": "F0AB12"})
    assert drawn.digest != draw(replace(card, picture=Picture("F0AB13", alt))).digest
