"""Escalations: critical and nobody there, step by step, each once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from handlers.core.alerts.escalations import Step, escalated
from handlers.core.alerts.groups import Acknowledged, Alert, Group, Hush
from handlers.core.words.text import Crew, Person

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
STEPS = (Step(10, "S0ONCALL"), Step(30, "U0LEAD"))
MINUTE = timedelta(minutes=1)


def group(severity: str = "critical", **changes: object) -> Group:
    alert = Alert({"alertname": "Down", "severity": severity}, {}, "", START)
    return replace(Group("default", "slack", {}, START, START, {"a": alert}), **changes)  # type: ignore[arg-type]


def test_each_step_calls_once() -> None:
    known = group()
    for minute in range(60):
        known = escalated(known, STEPS, START + minute * MINUTE)
    assert [each.values["who"] for each in known.said] == [Crew("S0ONCALL"), Person("U0LEAD")]
    assert [each.values["minutes"] for each in known.said] == [10, 30]


def test_nobody_is_called_before_the_time() -> None:
    assert escalated(group(), STEPS, START + 9 * MINUTE).said == ()


QUIET = {
    "acknowledged": group(acknowledged=Acknowledged("U0SARA", START, "op", {"a": ""})),
    "a warning": group("warning"),
    "over": group(alerts={"a": Alert({"severity": "critical"}, {}, "", START, START + MINUTE)}),
    "silenced": group(alerts={"a": Alert({"severity": "critical"}, {}, "", START, hush=Hush("silenced"))}),
    "not known": group(unclear=True),
}


@pytest.mark.parametrize("quiet", QUIET.values(), ids=QUIET)
def test_nobody_is_called_for_what_needs_nobody(quiet: Group) -> None:
    assert escalated(quiet, STEPS, START + 99 * MINUTE) == quiet


def test_an_acknowledgement_that_is_taken_back_goes_on_with_the_next_step() -> None:
    known = escalated(group(), STEPS, START + 10 * MINUTE)
    held = replace(known, acknowledged=Acknowledged("U0SARA", START, "op", {"a": ""}))
    held = escalated(held, STEPS, START + 40 * MINUTE)
    back = escalated(replace(held, acknowledged=None), STEPS, START + 41 * MINUTE)
    assert [each.values["minutes"] for each in back.said] == [10, 30]


def test_a_route_calls_its_people_at_once_whatever_the_severity_and_once() -> None:
    steps = (Step(0, "S0SHOP"), *STEPS)
    known = escalated(escalated(group("warning"), steps, START), steps, START + 99 * MINUTE)
    assert [str(each) for each in known.said] == ["S0SHOP this is for you."]
