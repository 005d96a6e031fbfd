"""Tongues: only templates and numbers change, and no value can turn a line around."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.core.words.cards import Button, Card, Fact, Link
from handlers.core.words.forms import Choice, Form
from handlers.core.words.postings import Posting
from handlers.core.words.text import Bytes, Code, Lines, Person, Seconds, Text
from handlers.core.words.tongues import END, ENGLISH, ISOLATE, MARK, persian, right_to_left

WORDS = {
    "Backup of {target}": "پشتیبان‌گیری از {target}",
    "{subject}: done": "{subject}: انجام شد",
    "Cancel": "لغو",
    "{count} documents": "{count} سند",
    "{size} kB": "{size} کیلوبایت",
    "{minutes} min {seconds} s": "{minutes} دقیقه و {seconds} ثانیه",
    "yes": "بله",
    "It said: {out}": "گفت: {out}",
    "Type `/backup {word}` here, on MongoDB.": "اینجا `/backup {word}` را در MongoDB بنویسید.",
}
FA = persian(WORDS)
CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def bare(text: object) -> str:
    return str(text).translate({ord(each): None for each in (ISOLATE, END, MARK)})


def test_a_sentence_inside_a_sentence_is_said_too() -> None:
    said = FA.said(Text("{subject}: done", subject=Text("Backup of {target}", target=Code("shop"))))
    assert bare(said) == "پشتیبان‌گیری از shop: انجام شد"


def test_everything_that_can_be_shown_is_walked() -> None:
    label, when = Text("Cancel"), datetime(2026, 11, 24, tzinfo=UTC)
    card = Card(
        label,
        lines=(label,),
        facts=(Fact(label, label),),
        buttons=(Button("a", label, "v", question=label),),
        footer=label,
        links=(Link(label, "https://a.example/"),),
    )
    posting = FA.said(Posting("C1", card, when, notes=(label,)))
    form = FA.said(Form("a", "v", label, (label,), (Choice("c", label, (("x", label),), "x"),), label))
    assert "Cancel" not in repr(posting) + repr(form)
    assert (repr(posting) + repr(form)).count("لغو") == 14
    assert posting.card.buttons[0].action == "a"
    assert posting.card.links[0].url == "https://a.example/"


def test_english_is_the_same_thing() -> None:
    card = Card(Text("Cancel"))
    assert ENGLISH.said(card) is card


def test_what_is_not_translated_stays_english() -> None:
    text = Text("New words of {target}", target="shop")
    assert FA.said(text) is text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "۱٬۲۳۴٬۵۶۷"),
        (Bytes(1500), "۱٫۵ کیلوبایت"),
        (Seconds(200), "۳ دقیقه و ۲۰ ثانیه"),
        (True, "بله"),
        ("12", "12"),
        (Code("20261124-0312"), "20261124-0312"),
        (Person("U0123"), "U0123"),
        (datetime(2026, 11, 24, 3, 12, 7, tzinfo=UTC), "2026-11-24 03:12:07 UTC"),
    ],
    ids=str,
)
def test_numbers_and_measures_are_persian_and_what_is_compared_is_not(value: object, shown: str) -> None:
    assert bare(FA.said(Text("{count} documents", count=value))) == f"{shown} سند"


def test_values_commands_and_latin_words_stand_in_isolates() -> None:
    said = FA.said(Text("Type `/backup {word}` here, on MongoDB.", word="list"))
    assert str(said) == f"اینجا {ISOLATE}`/backup list`{END} را در {ISOLATE}MongoDB{END} بنویسید.{MARK}"


@pytest.mark.parametrize(
    ("template", "dressed"),
    [
        ("لغو", "لغو"),
        ("{a}", "{a}"),
        ("{a}: شد", f"{MARK}{ISOLATE}{{a}}{END}: شد"),
        ("نسخهٔ {a}", f"نسخهٔ {ISOLATE}{{a}}{END}{MARK}"),
        ("*{a}* شد", f"{MARK}*{ISOLATE}{{a}}{END}* شد"),
        ('مثل job="shop".', f'مثل {ISOLATE}job="shop"{END}.{MARK}'),
        ("HTTP {a} شد", f"{MARK}{ISOLATE}HTTP {{a}}{END} شد"),
        ("ساعت {a} UTC", f"ساعت {ISOLATE}{{a}} UTC{END}{MARK}"),
        ("به s3://bucket/prefix نه", f"به {ISOLATE}s3://bucket/prefix{END} نه"),
        ("/health شد", f"{MARK}{ISOLATE}/health{END} شد"),
    ],
)
def test_a_line_begins_and_ends_from_right_to_left(template: str, dressed: str) -> None:
    assert right_to_left(template) == dressed


def test_a_name_alone_leans_like_its_label_and_a_sentence_decides_for_itself() -> None:
    assert str(FA.said(Text("{value}", value=Code("shop")))) == f"{MARK}{ISOLATE}shop{END}"
    assert str(FA.said(Text("{value}", value=Text("Cancel")))) == "لغو"


def test_output_has_no_isolate_because_its_lines_are_its_own() -> None:
    said = FA.said(Text("It said: {out}", out=Lines("a\nb")))
    assert ISOLATE not in said.template


@given(value=st.text(alphabet=st.sampled_from(CONTROLS + "سلام ab`*:/0"), max_size=40))
@example(value=CONTROLS)
@example(value=f"{END} shop {ISOLATE}")
def test_no_value_opens_or_closes_an_isolate_or_turns_a_line(value: str) -> None:
    template = "{subject}: done"
    for given_value in (value, Code(value), Text("Backup of {target}", target=value)):
        shown = str(FA.said(Text(template, subject=given_value)))
        depth = 0
        for character in shown:
            depth += (character == ISOLATE) - (character == END)
            assert depth >= 0
            assert unicodedata.bidirectional(character) not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI"}
        assert depth == 0
        assert shown.count(ISOLATE) == (2 if isinstance(given_value, Text) else 1)
