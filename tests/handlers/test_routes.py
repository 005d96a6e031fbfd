"""Routes: the first rule that matches decides, and everything wrong in the file is said by number."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core.alerts.routes import MOST_RULES, Route, read

DEFAULT = Route("C0ALERTS")


def rule(channel: str = "C0SHOP", **match: Any) -> dict[str, Any]:
    return {"match": match, "channel": channel}


def test_the_first_rule_that_matches_decides_and_the_default_takes_the_rest() -> None:
    routes, problems = read({"routes": [rule("C0ONE", job="shop"), rule("C0TWO", job="/sh.*/")]}, DEFAULT)
    assert problems == ()
    assert [routes.of({"job": job}).channel for job in ("shop", "shed", "bank")] == ["C0ONE", "C0TWO", "C0ALERTS"]
    assert routes.of({}) == DEFAULT


def test_every_label_of_a_rule_must_match() -> None:
    routes, _ = read({"routes": [rule(job="shop", severity="critical")]}, DEFAULT)
    assert routes.of({"job": "shop"}) == DEFAULT
    assert routes.of({"job": "shop", "severity": "critical"}).channel == "C0SHOP"


@pytest.mark.parametrize("value", ["xshop", "shopx", "shop\n", "SHOP", ""], ids=repr)
def test_words_and_regular_expressions_match_whole_values_only(value: str) -> None:
    for pattern in ("shop", "/shop/", "/sho.|shop/"):
        routes, _ = read({"routes": [rule(job=pattern)]}, DEFAULT)
        assert routes.of({"job": value}) == DEFAULT
        assert routes.of({"job": "shop"}).channel == "C0SHOP"


def test_a_word_is_no_regular_expression() -> None:
    routes, _ = read({"routes": [rule(job="a.c")]}, DEFAULT)
    assert routes.of({"job": "abc"}) == DEFAULT


@pytest.mark.parametrize(
    "wrong",
    [
        7, None, [], {}, rule(), rule(job=5), rule(job="/(/"), rule(job="/a{1001}/"), rule(job="x" * 201),
        rule(job="shop") | {"chanel": "C0SHOP"}, rule("shop", job="a"), rule(job="a") | {"channel": None},
        rule(job="a") | {"mention": "<!channel>"}, rule(job="a") | {"runbook": "../x"},
        rule(job="a") | {"escalate_minutes": True}, rule(job="a") | {"escalate_minutes": -1},
        rule(job="a") | {"escalate_minutes": "5"}, {1: 2},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_rule_is_told_by_its_number_and_left_out(wrong: object) -> None:
    routes, problems = read({"routes": [rule(job="shop"), wrong]}, DEFAULT)
    assert problems
    assert all(each.startswith("route 2: ") for each in problems)
    assert len(routes.rules) == 1


@pytest.mark.parametrize("wrong", [None, [], "x", {"rules": []}, {}, {"routes": {}}, {"routes": None}], ids=str)
def test_a_file_of_another_shape_is_told_and_everything_goes_to_the_default(wrong: object) -> None:
    routes, problems = read(wrong, DEFAULT)
    assert problems
    assert routes.of({"job": "shop"}) == DEFAULT


def test_more_rules_than_are_read_are_told() -> None:
    routes, problems = read({"routes": [rule(job="shop")] * (MOST_RULES + 1)}, DEFAULT)
    assert problems == ("routes: only the first 200 of 201 are read",)
    assert len(routes.rules) == MOST_RULES


def test_examples_are_tried() -> None:
    examples = [
        {"labels": {"job": "shop"}, "channel": "C0SHOP"},
        {"labels": {"job": "bank"}, "channel": "C0SHOP"},
        {"labels": 1},
    ]
    _, problems = read({"routes": [rule(job="shop")], "examples": examples}, DEFAULT)
    assert problems == (
        "example 3: expected `labels` and `channel`, and perhaps `severity`",
        "example 2: goes to C0ALERTS, not C0SHOP",
    )
