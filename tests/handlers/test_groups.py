"""Groups of alerts: any order and any repetition of the same messages tells the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.alerts import ledger, notices
from handlers.core.alerts.groups import Acknowledged, Group, Look, Sighting, folded, observed
from handlers.core.alerts.notices import Notice, Seen
from handlers.core.words.errors import Refusal

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def seen(name: str, started: int, ended: int | None = None, severity: str = "warning") -> Seen:
    labels = {"alertname": name, "severity": severity}
    return Seen(
        notices.fingerprint_of(labels),
        labels,
        {"summary": name},
        START + started * MINUTE,
        None if ended is None else START + ended * MINUTE,
        "",
    )


def notice(*alerts: Seen) -> Notice:
    return Notice("default", "slack", {"job": "shop"}, alerts)


def told(*messages: Notice, at: datetime = START) -> Group:
    group = None
    for message in messages:
        group, _ = folded(group, message, at)
    assert group is not None
    return group


def facts(group: Group) -> dict[str, Any]:
    return {name: (each.started, each.ended, each.earlier, each.firing) for name, each in group.alerts.items()}


EPISODES = st.tuples(st.sampled_from("ABC"), st.integers(0, 40), st.none() | st.integers(1, 30)).map(
    lambda each: seen(each[0], each[1], None if each[2] is None else each[1] + each[2])
)


@given(st.lists(st.lists(EPISODES, min_size=1, max_size=4), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_the_same_messages_ends_in_the_same_group(
    messages: list[list[Seen]], random: Any
) -> None:
    given_order = [notice(*alerts) for alerts in messages]
    other_order = [*given_order, *random.choices(given_order, k=3)]
    random.shuffle(other_order)
    first, second = told(*given_order), told(*other_order)
    assert facts(first) == facts(second)
    assert (first.began, first.ended, first.over, list(first.firing)) == (
        second.began,
        second.ended,
        second.over,
        list(second.firing),
    )


@given(st.lists(st.lists(EPISODES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_group_reads_back_as_it_was_kept(messages: list[list[Seen]]) -> None:
    group = told(*(notice(*alerts) for alerts in messages))
    group = replace(group, acknowledged=Acknowledged("U0SARA", START, "op", dict.fromkeys(group.alerts, "")))
    assert ledger.decoded(ledger.encoded(group)) == group


def test_absence_is_not_an_end() -> None:
    group = told(notice(seen("A", 0), seen("B", 0)), notice(seen("A", 0, 5)))
    assert [each.name for each in group.firing.values()] == ["B"]


def test_an_end_before_the_beginning_was_told_stays_an_end() -> None:
    assert told(notice(seen("A", 0, 5)), notice(seen("A", 0))).over


def test_a_later_start_fires_again() -> None:
    group = told(notice(seen("A", 0, 5)), notice(seen("A", 7)))
    assert not group.over
    (alert,) = group.alerts.values()
    assert alert.earlier == (START,)
    assert group.began == START + 7 * MINUTE


def test_the_same_start_told_firing_long_after_its_end_fires_again_and_the_old_end_stays_wrong() -> None:
    group = told(notice(seen("A", 0, 5)))
    group, _ = folded(group, notice(seen("A", 0)), START + 30 * MINUTE)
    assert not group.over
    group, _ = folded(group, notice(seen("A", 0, 5)), START + 31 * MINUTE)
    assert not group.over
    group, _ = folded(group, notice(seen("A", 0, 31)), START + 32 * MINUTE)
    assert group.over


def test_firing_ten_minutes_after_it_was_over_is_a_new_round() -> None:
    group = told(notice(seen("A", 0, 5)))
    soon, _ = folded(group, notice(seen("A", 6)), START + 9 * MINUTE)
    late, _ = folded(group, notice(seen("A", 30)), START + 30 * MINUTE)
    assert (soon.serial, late.serial) == (0, 1)
    assert late.first > soon.first, "a new round is not late by the length of the old one"


def look(group: Group, *names: str, at: datetime, started: datetime = START - 60 * MINUTE) -> Look:
    listed = {
        name: Sighting(alert.started, None)
        for name, alert in group.alerts.items()
        if alert.labels["alertname"] in names
    }
    return Look(listed, at, started)


def test_what_vanished_from_alertmanager_is_closed_and_says_so() -> None:
    group = told(notice(seen("A", 0), seen("B", 0)))
    for second in (60, 75, 90):
        at = START + timedelta(seconds=second)
        group, _ = observed(group, look(group, "B", at=at), at)
    a, b = sorted(group.alerts.values(), key=lambda each: each.name)
    assert (a.vanished, a.firing, b.firing) == (True, False, True)


def test_an_alertmanager_that_just_started_has_five_minutes_to_hear_of_what_fires() -> None:
    group = told(notice(seen("A", 0)))
    for minute, over in ((1, False), (3, False), (5, False), (7, True)):
        at = START + minute * MINUTE
        group, _ = observed(group, look(group, at=at, started=START), at)
        assert group.over is over


def test_a_list_made_before_the_end_was_told_revives_nothing() -> None:
    at = START + 6 * MINUTE
    group = told(notice(seen("A", 0, 5)), at=at)
    after, _ = observed(group, look(group, "A", at=at - timedelta(seconds=1)), at)
    assert after.over
    after, _ = observed(group, look(group, "A", at=at + MINUTE), at + MINUTE)
    assert not after.over


def test_what_alertmanagers_list_has_with_a_later_start_fires_again_though_nobody_told() -> None:
    group = told(notice(seen("A", 0, 5)))
    (name,) = group.alerts
    at = START + 8 * MINUTE
    after, change = observed(group, Look({name: Sighting(START + 7 * MINUTE, None)}, at, START), at)
    (alert,) = after.firing.values()
    assert (alert.started, alert.earlier, alert.listed) == (START + 7 * MINUTE, (START,), START)
    assert change.returned == (alert,)
    assert after.serial == 0, "ten minutes had not passed"


def test_a_message_without_alerts_is_a_group_of_which_nothing_fires_until_something_does() -> None:
    empty = told(notice())
    assert (empty.alerts, empty.over, empty.began, empty.ended, empty.severity) == ({}, True, START, None, "")
    group, change = folded(empty, notice(seen("A", 1)), START + MINUTE)
    assert [each.name for each in change.began] == ["A"]
    assert (group.over, group.serial) == (False, 0)


def test_an_acknowledgement_ends_with_its_alerts() -> None:
    group = told(notice(seen("A", 0), seen("B", 0)))
    (a,) = [name for name, each in group.alerts.items() if each.name == "A"]
    group = replace(group, acknowledged=Acknowledged("U0SARA", START, "op", {a: "silence"}))
    group, _ = folded(group, notice(seen("B", 0, 4)), START)
    assert group.acknowledged is not None
    group, _ = folded(group, notice(seen("A", 0, 4)), START)
    assert group.acknowledged is None


def body(**changes: Any) -> bytes:
    alert = {
        "status": "firing",
        "labels": {"alertname": "Slow", "instance": "a"},
        "annotations": {"summary": "slow", "other": "x"},
        "startsAt": "2026-11-24T03:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph?g0.expr=up",
        "fingerprint": "00000000000000ff",
    }
    data = {"version": "4", "receiver": "team-a\\.b", "status": "firing", "groupLabels": {}, "alerts": [alert]}
    return json.dumps({**data, **changes}).encode()


def test_a_webhook_is_read_without_group_labels_and_with_an_escaped_receiver() -> None:
    read = notices.read(body(groupKey='{}/{a="\n"}:{}', unknown=[1], truncatedAlerts=7), "default")
    (alert,) = read.alerts
    assert (read.receiver, read.hidden, alert.ended) == ("team-a.b", 7, None)
    assert alert.words == {"summary": "slow"}
    assert alert.started == datetime(2026, 11, 24, 3, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [b"", b"null", b"[]", b'{"alerts":1}', b'{"alerts":[1]}', b"[" * 100_000, b"\xff"])
def test_what_is_no_webhook_is_refused(wrong: bytes) -> None:
    with pytest.raises(Refusal):
        notices.read(wrong, "default")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"])


@given(
    st.dictionaries(FIELDS, JSON),
    st.dictionaries(st.sampled_from(["receiver", "groupLabels", "truncatedAlerts"]), JSON),
)
def test_any_alerts_that_are_objects_can_be_kept(alert: dict[str, Any], more: dict[str, Any]) -> None:
    read = notices.read(json.dumps({"alerts": [alert], **more}).encode(), "default")
    group, _ = folded(None, read, START)
    assert ledger.decoded(ledger.encoded(group)) == group


def test_a_label_too_long_to_keep_is_marked_so_that_nobody_silences_something_else() -> None:
    read = notices.read(body(alerts=[{"labels": {"alertname": "A", "x": "y" * 5000}}]), "default")
    assert not read.alerts[0].exact


@pytest.mark.parametrize(
    "value", ["yesterday", "0001-01-01T00:00:00+03:30", "9999-12-31T23:59:59-03:30", "x" * 41, 7, None]
)
def test_what_is_no_moment_is_none(value: object) -> None:
    assert notices.moment(value) is None
