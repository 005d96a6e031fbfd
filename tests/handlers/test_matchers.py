"""Matchers: what is typed, read as Alertmanager spells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.alerts import matchers
from handlers.core.alerts.matchers import Matcher
from handlers.core.words.errors import Refusal


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=40), min_size=1, max_size=5))
def test_what_is_spelled_is_read_back(labels: dict[str, str]) -> None:
    exactly = matchers.of(labels)
    assert matchers.read(matchers.spelled(exactly)) == exactly


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('job="shop"', Matcher("job", "shop")),
        ("job=shop", Matcher("job", "shop")),
        ("  job = shop , ", Matcher("job", "shop")),
        ('job=~"a.b"', Matcher("job", "a.b", regex=True)),
        ('job="a\\"b"', Matcher("job", 'a"b')),
    ],
    ids=["quoted", "plain", "blanks", "regular expression", "a quote inside"],
)
def test_a_line_is_read(line: str, expected: Matcher) -> None:
    assert matchers.read(line) == (expected,)


@pytest.mark.parametrize(
    "typed",
    ["", " \n ", 'job=""', "job=~.*", "job=~(x|)", "job=~a?", "job!=shop", 'job!~"x"', 'job=~"a{0,3}"', "job=~"],
    ids=["nothing", "blanks", "empty", "any", "or nothing", "perhaps", "not", "not like", "none to three", "no value"],
)
def test_what_might_silence_everything_is_refused(typed: str) -> None:
    with pytest.raises(Refusal, match="everything"):
        matchers.read(typed)


@pytest.mark.parametrize(
    "line",
    ["shop", "=shop", 'job="shop', "job=a b", "1job=a", 'job="\\x"', "job={a}", "x" * 3000],
    ids=["a word", "no name", "open quote", "two words", "a digit first", "escape", "braces", "long"],
)
def test_what_is_no_matcher_is_refused_by_its_line(line: str) -> None:
    with pytest.raises(Refusal, match="Line 2"):
        matchers.read(f"job=shop\n{line}")


def test_more_lines_than_alertmanager_is_asked_for_are_refused_and_as_many_are_not() -> None:
    line = "job=shop"
    assert len(matchers.read("\n".join([line] * matchers.MOST))) == matchers.MOST
    with pytest.raises(Refusal, match="At most 64 matchers"):
        matchers.read("\n".join([line] * (matchers.MOST + 1)))


def test_what_all_share_is_suggested() -> None:
    first, second = {"job": "shop", "instance": "a"}, {"job": "shop", "instance": "b"}
    assert matchers.common([first, second]) == (Matcher("job", "shop"),)
    assert matchers.common([first]) == matchers.of(first)
    assert matchers.common([]) == ()
