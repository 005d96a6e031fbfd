"""A digest: equal values have one, different values have different ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.words.digests import WORDS, canonical, digest, spoken

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def _same(one: Any, other: Any) -> bool:
    """As JSON means it: 1 and true are different."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(VALUES)
def test_a_value_survives_its_spelling(value: Any) -> None:
    spelling = canonical(value)
    assert _same(json.loads(spelling), value)
    assert canonical(json.loads(spelling)) == spelling
    assert spelling.isascii()
    assert b"\n" not in spelling


@given(st.dictionaries(st.text(), VALUES), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


@given(VALUES, VALUES)
def test_two_values_have_one_digest_only_when_they_are_equal(one: Any, other: Any) -> None:
    assert (digest("plan", one) == digest("plan", other)) == _same(one, other)


def test_a_tuple_is_a_list() -> None:
    assert canonical((1, ("a",))) == canonical([1, ["a"]]) == b'[1,["a"]]'


@given(VALUES)
def test_the_digest_of_one_thing_is_never_that_of_another(value: Any) -> None:
    assert len({digest(domain, value) for domain in ("plan", "manifest", "audit", "plan/1")}) == 4


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), float("inf"), b"bytes", {1: "a"}, {"a": {2: 3}}, [0.5], {1, 2}, object()]
)
def test_what_has_no_single_spelling_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_a_digest_stays_what_it_was_when_records_were_written() -> None:
    # sha256 of: negahban/plan/1, a line feed, {"a":"\\u00e4","b":[1,null,true]}
    expected = "a53bd98dc41cf97cc6332fb1bdcdcdd1349763fe1b119f4a9f9a6363eb45ecc9"
    assert digest("plan", {"b": [1, None, True], "a": "ä"}) == expected


@given(VALUES)
def test_a_digest_is_spoken_as_three_words_and_eight_digits(value: Any) -> None:
    said = spoken(digest("plan", value))
    words, _, digits = said.partition(" ")
    assert re.fullmatch(r"[0-9a-f]{8}", digits)
    assert len(words.split("-")) == 3
    assert set(words.split("-")) <= set(WORDS)


def test_the_words_are_sixty_four_different_ones() -> None:
    assert len(set(WORDS)) == len(WORDS) == 64
    assert all(re.fullmatch(r"[a-z]{4,9}", word) for word in WORDS)


def test_both_ends_of_a_digest_are_heard() -> None:
    one = "0" * 64
    assert len({spoken(each) for each in (one, one[:2] + "1" + one[3:], one[:5] + "1" + one[6:], one[:-1] + "1")}) == 4
