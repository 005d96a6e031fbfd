"""An alert's expression: taken from its link, and its threshold split off only where that is plain to see."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.core.alerts.expressions import LONGEST, from_generator, split_threshold

HOST = "http://prometheus.example:9090/graph?"


@pytest.mark.parametrize(
    ("expression", "measured", "threshold"),
    [
        ("rate(x[1m]) > 0.8", "rate(x[1m])", 0.8),
        ("up == 0", "up", 0.0),
        ("a-b != -2", "a-b", -2.0),
        ("0.8 < rate(x[1m])", "rate(x[1m])", 0.8),
        ("x > bool 1e3", "x", 1000.0),
        ("1 <= bool (x)", "x", 1.0),
        ("x >bool:y", "x >bool:y", None),
        ("((x / y) >= (0.5))", "x / y", 0.5),
        ("(a) / (b) > 5", "(a) / (b)", 5.0),
        ('x{path=~"a>b|c and d",z!="(\\"{"} > 5', 'x{path=~"a>b|c and d",z!="(\\"{"}', 5.0),
        ("x{path=`a\\`} > 5", "x{path=`a\\`}", 5.0),
        ("sum by (or, and) (x) > 3", "sum by (or, and) (x)", 3.0),
        ("job:and:or > 3", "job:and:or", 3.0),
        ("max_over_time((x > 2)[5m:1m]) > 3", "max_over_time((x > 2)[5m:1m])", 3.0),
        ("x offset 5m > 0x1F", "x offset 5m", 31.0),
        ("x > 3 and y > 4", None, None),
        ("x > 3 AND on() y", None, None),
        ("x > 3 or vector(1)", None, None),
        ("x > 3 unless y", None, None),
        ("(x > 3) > 2", "x > 3", 2.0),
        ("x > 3 > 2", None, None),
        ("x > y", None, None),
        ("x > 2 * 3", None, None),
        ("2 > 1", None, None),
        ("x > 010", None, None),
        ("x > +Inf", None, None),
        ("x > 1e999", None, None),
        ("x > NaN", None, None),
        ("x # > 2\n > 3", None, None),
        ("x{a='} > 3", None, None),
        ("x) > 3", None, None),
        ("(x] > 3", None, None),
        ("x > ", None, None),
        ("> 3", None, None),
        ("3 > on() x", None, None),
        ("x", None, None),
        ("(x)", None, None),
        ("", None, None),
    ],
)
def test_a_threshold_is_split_off_where_it_is_plain(
    expression: str, measured: str | None, threshold: float | None
) -> None:
    assert split_threshold(expression) == (expression if measured is None else measured, threshold)


_anything = st.lists(
    st.sampled_from([*"xy(){}[]\"'`\\<>=!~,#+-*/0123456789.eb \n", " and ", " bool "]), max_size=30
).map("".join)
_quoted = _anything.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"')
_selector = st.builds(lambda name, value: f"{name}{{a={value}}}", st.sampled_from(["x", "and:b", "_or"]), _quoted)
_measured = st.recursive(
    _selector,
    lambda inner: st.one_of(
        inner.map(lambda text: f"rate({text}[5m])"),
        inner.map(lambda text: f"sum by (or, unless) ({text})"),
        st.tuples(inner, inner).map(lambda both: f"({both[0]} > {both[1]}) / {both[1]}"),
        st.tuples(inner, inner).map(lambda both: f"max(({both[0]}) and ({both[1]}))"),
    ),
    max_leaves=4,
)
_comparison = st.sampled_from([">", "<", ">=", "<=", "==", "!="])
_number = st.floats(allow_nan=False, allow_infinity=False)


def _numeral(number: float) -> str:
    return repr(number)


@given(_measured, _comparison, _number, st.booleans(), st.booleans(), st.integers(0, 3))
def test_whatever_is_measured_it_comes_back_as_it_was(
    measured: str, comparison: str, number: float, number_first: bool, truth: bool, wrapped: int
) -> None:
    between = f" {comparison} {'bool ' if truth else ''}"
    sides = (_numeral(number), measured) if number_first else (measured, _numeral(number))
    whole = "(" * wrapped + between.join(sides) + ")" * wrapped
    expected = (measured, number) if len(whole) <= LONGEST else (whole, None)
    assert split_threshold(whole) == expected


@given(_measured, _measured, _comparison, _number, st.sampled_from(["and", "OR", "unless"]))
def test_a_choice_between_two_measures_has_no_threshold(
    one: str, other: str, comparison: str, number: float, word: str
) -> None:
    whole = f"{one} {comparison} {_numeral(number)} {word} {other}"
    assert split_threshold(whole) == (whole, None)


@given(_anything)
@example("(" * 3000)
@example("(" * 900 + "x" + ")" * 900 + " > 1")
def test_any_text_is_split_into_parts_of_itself_or_stays_as_it_was(text: str) -> None:
    measured, threshold = split_threshold(text)
    assert measured in text
    assert measured == text or threshold is not None


def test_the_expression_of_a_link_is_found() -> None:
    link = HOST + urlencode({"g0.expr": 'rate(x{a="b&c"}[1m]) > 0.8', "g0.tab": "1"})
    assert from_generator(link) == 'rate(x{a="b&c"}[1m]) > 0.8'


@pytest.mark.parametrize(
    "link",
    [
        "",
        "nonsense",
        "http://[",
        HOST + "g0.tab=1",
        HOST + "g0.expr=",
        HOST + "g0.expr=%20",
        HOST + "g0.expr=a%00b",
        HOST + "g0.expr=a\ud800b",
        HOST + "&".join(f"g{n}.expr=x" for n in range(200)),
        HOST + "g0.expr=" + "x" * (LONGEST + 1),
        HOST + "g0.expr=x&pad=" + "x" * 40_000,
    ],
    ids=lambda link: link[:60].encode("ascii", "backslashreplace").decode() or "empty",
)
def test_a_link_without_a_usable_expression_gives_none(link: str) -> None:
    assert from_generator(link) is None


def test_the_longest_expression_is_still_taken() -> None:
    assert from_generator(HOST + "g0.expr=" + "x" * LONGEST) == "x" * LONGEST


@given(st.text())
def test_no_link_can_break_it(link: str) -> None:
    for each in (link, HOST + link, HOST + "g0.expr=" + link):
        found = from_generator(each)
        assert found is None or (0 < len(found) <= LONGEST and found.encode())


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=LONGEST))
def test_what_prometheus_wrote_into_the_link_is_read_back(expression: str) -> None:
    assert from_generator(HOST + urlencode({"g0.expr": expression})) == (expression.strip() or None)
