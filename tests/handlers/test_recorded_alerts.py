"""What real Alertmanagers sent (tests/fixtures/alertmanager), read and folded: the group says what was true."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.slack.blocks import draw
from handlers.core.alerts import notices
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.groups import Group, folded
from handlers.core.alerts.notices import Notice

FOLDER = Path(__file__).parents[1] / "fixtures" / "alertmanager"
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


Recorded = Callable[[str], list[Notice]]


@pytest.fixture(params=["stable", "newer"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return lambda name: read(FOLDER / request.param / f"{name}.json")


def read(file: Path) -> list[Notice]:
    bodies = json.loads(file.read_text())
    return [notices.read(json.dumps(each, ensure_ascii=False).encode(), "default") for each in bodies]


def after(messages: list[Notice]) -> Group:
    group: Group | None = None
    for number, message in enumerate(messages):
        group, _ = folded(group, message, NOW + timedelta(seconds=number))
    assert group is not None
    return group


def firing(group: Group) -> list[str]:
    return sorted(each.labels.get("instance", each.name) for each in group.firing.values())


def test_mixed_messages_end_one_alert_after_the_other(recorded: Recorded) -> None:
    messages = recorded("mixed")
    assert [firing(after(messages[:count])) for count in (1, 2, 3)] == [["a", "b"], ["b"], []]
    again = after([*messages, *messages, messages[0]])
    assert again.alerts == after(messages).alerts


def test_the_receiver_comes_back_as_it_is_written(recorded: Recorded) -> None:
    assert recorded("mixed")[0].receiver == "team-a.b"


def test_what_max_alerts_left_out_is_counted_and_ends_nothing(recorded: Recorded) -> None:
    (message,) = recorded("truncated")
    group = after([message])
    assert len(group.firing) + message.hidden == 5
    assert "left out 3 more" in "\n".join(map(str, group_card(group, "g").lines))


def test_an_alert_that_was_held_back_may_end_without_ever_having_fired_here(recorded: Recorded) -> None:
    messages = recorded("inhibited")
    first = after(messages[:1])
    assert [each.name for each in first.alerts.values()] == ["Down"]
    last = after(messages)
    assert last.over
    assert {each.name for each in last.alerts.values()} == {"Down", "Slow"}


def test_after_a_silence_the_alert_comes_as_if_it_were_new(recorded: Recorded) -> None:
    (message,) = recorded("silenced")
    assert (firing(after([message])), message.hidden) == (["a"], 0)


def test_hostile_and_persian_labels_are_one_group_and_shown_as_text(recorded: Recorded) -> None:
    (message,) = recorded("persian")
    assert message.labels["alertname"] == 'کند\n"Slow"'
    shown = json.dumps(draw(group_card(after([message]), "g")).blocks, ensure_ascii=False)
    assert "فروشگاه" in shown
    assert "<!channel>" not in shown
    assert message.group == recorded("persian")[0].group


def test_without_group_by_everything_is_one_group(recorded: Recorded) -> None:
    (message,) = recorded("ungrouped")
    assert message.labels == {}
    assert sorted(each.name for each in after([message]).firing.values()) == ["One", "Two"]


def test_grouped_by_everything_each_alert_is_a_group_of_its_own(recorded: Recorded) -> None:
    messages = recorded("each")
    assert len({each.group for each in messages}) == len(messages) == 2


def test_an_alert_without_a_name_has_a_card(recorded: Recorded) -> None:
    (message,) = recorded("nameless")
    assert "unnamed alert" in str(group_card(after([message]), "g").title)
