"""Cases from the field that no other test has: what peers, old versions, and skewed clocks send.

Elsewhere: storms (test_books, e2e/test_alerts), silences and what vanished (test_watch), order and repetition
(test_groups, test_alerts), hostile words (test_alerts), refusals and an absent state (bot/test_intake).
"""

from __future__ import annotations

import json
import threading
from typing import Any

from handlers.alerts import Alerts
from handlers.core import notices
from handlers.core.groups import Group
from handlers.core.ledger import Ledger
from tests.fakes import FakeClock, FakeEntropy, MemoryState

ALERT = {"status": "firing", "labels": {"alertname": "Slow"}, "startsAt": "2026-11-24T03:00:00Z"}


class House:
    """The alerts over a state in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(MemoryState(self.clock))
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy())

    def told(self, *alerts: dict[str, Any], source: str = "default", **more: Any) -> Group:
        body = json.dumps({"receiver": "slack", "groupLabels": {"job": "shop"}, "alerts": alerts, **more}).encode()
        notice = notices.read(body, source)
        self.alerts.take_in(notice)
        group = self.ledger.load(notice.group)
        assert group is not None
        return group


def test_two_peers_at_the_same_moment_tell_of_one_alert() -> None:
    house = House()
    peers = [threading.Thread(target=house.told, args=(ALERT,)) for _ in range(2)]
    for each in peers:
        each.start()
    for each in peers:
        each.join()
    assert len(house.told(ALERT).alerts) == 1


def test_what_was_cut_by_max_alerts_still_fires_and_is_counted() -> None:
    house = House()
    house.told(ALERT, ALERT | {"labels": {"alertname": "Other"}})
    group = house.told(ALERT, truncatedAlerts=3)
    assert (len(group.firing), group.hidden) == (2, 3)


def test_a_changed_group_key_is_the_same_group() -> None:
    house = House()
    first = house.told(ALERT, groupKey='{}:{job="shop"}')
    second = house.told(ALERT, groupKey='{}/{a="b"}:{job="shop"}')
    assert (first.first, len(second.alerts)) == (second.first, 1)


def test_two_sources_with_the_same_group_labels_are_two_groups() -> None:
    house = House()
    house.told(ALERT | {"labels": {"alertname": "Other"}}, source="paris")
    assert len(house.told(ALERT, source="tehran").alerts) == 1


def test_an_alertmanager_whose_clock_is_a_day_ahead_is_still_believed_about_its_own_ends() -> None:
    house = House()
    ahead = ALERT | {"startsAt": "2027-11-25T03:00:00Z"}
    assert not house.told(ahead).over
    assert house.told(ahead | {"status": "resolved", "endsAt": "2027-11-25T03:01:00Z"}).over


def test_a_thousand_alerts_in_one_message_are_all_kept() -> None:
    many = [ALERT | {"labels": {"alertname": "Slow", "instance": str(number)}} for number in range(1000)]
    assert len(House().told(*many).firing) == 1000
