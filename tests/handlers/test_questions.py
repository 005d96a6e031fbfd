"""What the team asks of restored data, as it is written in the settings."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.words.questions import Question, parsed


def test_questions_are_read_with_their_defaults() -> None:
    assert parsed("") == ()
    assert parsed("[]") == ()
    assert parsed('[{"collection": "orders"}]') == (Question("orders", "[]", 1),)
    written = '[{"collection": "orders", "pipeline": [{"$match": {"n": {"$numberLong": "5"}}}], "at_least": 3}]'
    assert parsed(written) == (Question("orders", '[{"$match":{"n":{"$numberLong":"5"}}}]', 3),)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("orders", "a JSON list"),
        ("{}", "a JSON list"),
        ("[" * 100_000, "a JSON list"),
        ('[{"collection": "a"}, 5]', "question 2"),
        ('[{"collection": "a", "atleast": 1}]', "nothing else"),
        ("[{}]", "name a collection"),
        ('[{"collection": "$cmd"}]', "name a collection"),
        ('[{"collection": "a", "at_least": 0}]', "whole number"),
        ('[{"collection": "a", "at_least": true}]', "whole number"),
        ('[{"collection": "a", "at_least": 1.5}]', "whole number"),
        ('[{"collection": "a", "pipeline": {}}]', "list of stages"),
        ('[{"collection": "a", "pipeline": [{"$match": {}, "$limit": 1}]}]', "one operator"),
        ('[{"collection": "a", "pipeline": [{"match": {}}]}]', "begin with"),
        ('[{"collection": "a", "pipeline": [{"$out": "b"}]}]', "only read"),
        ('[{"collection": "a", "pipeline": [{"$match": {}}, {"$merge": {"into": "b"}}]}]', "only read"),
        (str([{"collection": "a"}] * 51).replace("'", '"'), "at most 50"),
    ],
)
def test_a_wrong_question_is_named_with_what_was_expected(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parsed(written)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(written: str) -> None:
    with suppress(ValueError):
        parsed(written)
