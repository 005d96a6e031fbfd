"""Labels of a runbook's `match`: what fits, and what is wrong with them, said for the person who wrote the file."""

from __future__ import annotations

import pytest

from handlers.core.alerts.labels import fits, wrong


@pytest.mark.parametrize("given", [None, "job", ["job"], {}, 7], ids=str)
def test_what_names_no_label_is_told_as_a_whole(given: object) -> None:
    assert wrong("triage.yml: match", given) == (
        "triage.yml: match: expected label names with words or /regular expressions/",
    )


def test_each_wrong_value_is_told_by_its_label_and_the_right_ones_are_not() -> None:
    given = {"job": "shop", "severity": "/crit.*/", "empty": "", "open": "/(/", "number": 5, "nothing": "//"}
    assert [each.split()[1] for each in wrong("match:", given)] == ["empty", "open", "number", "nothing"]


def test_all_of_them_must_fit() -> None:
    match = {"job": "shop", "severity": "/crit.*/"}
    assert fits(match, {"job": "shop", "severity": "critical", "instance": "a"})
    assert not fits(match, {"job": "shop"})
    assert not fits({"job": "/(/"}, {"job": "/(/"}), "an expression that is none fits nothing"
