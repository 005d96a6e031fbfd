"""Patterns: whole values, in the language of Alertmanager, in linear time."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.words import patterns

# Each takes Python's own `re` longer than the universe is old, on the value beside it.
CATASTROPHES = [
    ("/(a+)+/", "a" * 100_000 + "!", "aaa"),
    ("/(a|aa)+b/", "a" * 100_000, "aab"),
    ("/(a*)*b/", "a" * 100_000, "aab"),
    ("/(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x/", "y" * 100_000, "yyx"),
    ("/(x+x+)+y/", "x" * 100_000, "xxy"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("written", "value", "fitting"), CATASTROPHES, ids=[each[0] for each in CATASTROPHES])
def test_no_expression_takes_long_on_a_label_of_a_hundred_kilobytes(written: str, value: str, fitting: str) -> None:
    pattern = patterns.of(written)
    assert pattern is not None
    assert not pattern.fits(value)
    assert pattern.fits(fitting)


@given(st.text("ab|.*+?()[]^$\\d", max_size=12), st.text("ab1\n", max_size=8))
def test_what_both_languages_know_means_the_same_here_as_in_python(written: str, value: str) -> None:
    pattern = patterns.of(f"/{written}/")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # what Python means to read otherwise one day
        try:
            wanted = re.compile(written, re.ASCII)
        except (re.error, FutureWarning):
            return
    if pattern is not None and "$" not in written and "^" not in written:
        assert pattern.fits(value) == (wanted.fullmatch(value) is not None)


@pytest.mark.parametrize("value", ["xshop", "shopx", "shop\n", "SHOP", "", "shop "], ids=repr)
def test_words_and_expressions_mean_whole_values(value: str) -> None:
    for written in ("shop", "/shop/", "/sho.|shop/"):
        pattern = patterns.of(written)
        assert pattern is not None
        assert pattern.fits("shop")
        assert not pattern.fits(value)


@pytest.mark.parametrize(
    "written", ["/(/", "/a{1001}/", r"/(a)\1/", "/(?=a)/", "x" * 201, "/((((a{100}){100}){100}){100})/"]
)
def test_what_is_no_expression_of_that_language_is_refused_in_silence(
    written: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert patterns.of(written) is None
    assert capfd.readouterr().err == ""


def test_persian_and_broken_text_are_compared_too() -> None:
    pattern = patterns.of("/فروش.*/")
    assert pattern is not None
    assert pattern.fits("فروشگاه")
    assert not pattern.fits("\ud800")


def test_an_empty_expression_means_an_absent_label() -> None:
    pattern = patterns.of("//")
    assert pattern is not None
    assert pattern.fits("")
    assert not pattern.fits("a")
