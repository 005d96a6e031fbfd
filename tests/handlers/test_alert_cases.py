"""The cases that a receiver of Alertmanager must pass, one test each; these are proved elsewhere:

- Nothing there but an end is told first: test_groups `test_an_end_before_the_beginning_was_told_stays_an_end`.
- Year-1 dates, escaped receivers, absent and unknown fields, no group labels: test_groups
  `test_a_webhook_is_read_without_group_labels_and_with_an_escaped_receiver`.
- Hostile words: test_alerts `test_hostile_labels_and_annotations_are_drawn_and_obeyed_nowhere`.
- What is no webhook: test_intake `test_what_is_no_webhook_is_refused_for_good_and_counted`.
- The state is away: test_intake `test_while_the_state_is_away_the_sender_is_told_to_try_again_and_then_it_is_stored`.
- What vanished while nobody looked is closed: test_groups `test_what_vanished_from_alertmanager_is_closed_and_says_so`.
- The Watchdog is no card: test_alerts `test_a_silent_watchdog_is_an_alert_that_ends_when_it_is_heard_again`.
- Two Alertmanagers: test_intake `test_sources_are_told_apart_and_a_wrong_name_is_the_default`.
- A removed message: tests/bot/test_relay
  `test_a_message_that_was_removed_is_posted_anew_and_its_notes_are_not_repeated`.
- A message too old to be edited: tests/bot/test_relay
  `test_a_message_that_may_no_longer_be_edited_is_followed_by_a_new_one`.
- What a real Alertmanager sent in nine situations: test_recorded_alerts.
- Answered quickly when the state is away, and nothing lost: tests/chaos/test_alert_relay
  `test_while_redis_is_away_webhooks_are_refused_quickly_and_nothing_is_lost`.
- Draining: test_intake `test_while_it_goes_down_nothing_is_stored`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.slack.blocks import draw
from handlers.alerts import AlertBoard
from handlers.core.alert_cards import group_card
from handlers.core.cards import Tone
from handlers.core.groups import Hush, Look, Sighting, observed
from handlers.core.notices import MOST_WORDS, group_id
from handlers.core.routes import Route, Routes
from tests.handlers.test_alerts import LABELS, Stage, alert, message


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_two_peers_that_tell_the_same_at_once_make_one_card_and_no_second_word(stage: Stage) -> None:
    told = message(alert("A"), alert("B"))
    with ThreadPoolExecutor(4) as peers:
        list(peers.map(stage.alerts.take_in, [told] * 8))
    assert len(stage.state.keys("group:")) == 1
    assert stage.group().said == ()
    assert stage.state.keys("dirty:") == (f"dirty:alert.{stage.id}",)


def test_what_a_later_message_leaves_out_still_fires_and_its_history_stays(stage: Stage) -> None:
    stage.tell(*(alert(name) for name in "ABCDE"))
    stage.tell(*(alert(name) for name in "AB"), *(alert(name, 0, 5) for name in "CDE"))
    stage.tell(alert("A"))
    group = stage.group()
    assert (len(group.firing), len(group.resolved)) == (2, 3)


def test_a_new_start_soon_after_an_end_is_the_same_card_that_came_back(stage: Stage) -> None:
    stage.tell(alert("A"))
    stage.tell(alert("A", 0, 5))
    stage.clock.advance(120)
    stage.tell(alert("A", 7))
    group = stage.group()
    assert (group.over, group.serial) == (False, 0)
    assert "came back" in str(group_card(group, stage.id).lines[0])


def test_what_alertmanager_cut_is_counted_on_the_card_and_ends_nothing(stage: Stage) -> None:
    stage.tell(alert("A"), alert("B"))
    stage.alerts.take_in(message(alert("A"), truncatedAlerts=7))
    card = group_card(stage.group(), stage.id)
    assert any("left out 7 more" in str(line) for line in card.lines)
    assert len(stage.group().firing) == 2


def test_a_group_survives_another_group_key(stage: Stage) -> None:
    for key in ('{}:{job="shop"}', '{}/{team="a"}:{job="shop"}'):
        stage.alerts.take_in(message(alert("A"), groupKey=key))
    assert stage.state.keys("group:") == (f"group:{stage.id}",)


def test_an_alert_without_a_name_has_a_card(stage: Stage) -> None:
    stage.tell({"status": "firing", "labels": {}})
    assert "unnamed alert" in str(group_card(stage.group(), stage.id).title)


def test_an_annotation_of_five_megabytes_is_cut_before_it_is_kept(stage: Stage) -> None:
    stage.tell(alert("A", summary="x" * 5_000_000, other="y" * 5_000_000))
    (kept,) = stage.group().alerts.values()
    assert kept.words == {"summary": "x" * MOST_WORDS}


def test_what_looks_like_a_password_is_veiled(stage: Stage) -> None:
    secret = "correct-horse"
    said = f"GET https://u:{secret}@db/?token={secret} failed"
    stage.tell(
        alert("A", summary=said) | {"labels": {"alertname": "A", "url": f"http://u:{secret}@x/?api_key={secret}"}}
    )
    drawn = draw(group_card(stage.group(), stage.id))
    assert secret not in str(drawn)


def test_clocks_that_disagree_by_hours_change_nothing(stage: Stage) -> None:
    stage.clock.advance(-7200)
    stage.tell(alert("A"))
    stage.clock.advance(14_400)
    stage.tell(alert("A", 0, 5))
    ended = stage.group().ended
    assert stage.group().over
    assert ended is not None
    assert ended - stage.group().began == timedelta(minutes=5)


def test_the_intake_only_stores_and_marks(stage: Stage) -> None:
    stage.tell(alert("A"))
    assert stage.state.writes == 1, "the group and its mark in one step"
    assert stage.state.keys("") == (f"dirty:alert.{stage.id}", f"group:{stage.id}")


def test_what_ended_while_we_were_down_says_that_its_end_was_not_told(stage: Stage) -> None:
    stage.tell(alert("A"))
    group = stage.group()
    for seconds in (7200, 7230):
        now = stage.clock.now() + timedelta(seconds=seconds)
        group, _ = observed(group, Look({}, now, now - timedelta(days=1)), now)
    card = group_card(group, stage.id)
    assert card.tone is Tone.GOOD
    assert "Alertmanager no longer has it" in str(card.lines[0])


def test_a_first_notification_about_an_old_episode_is_a_repetition(stage: Stage) -> None:
    stage.tell(alert("A"))
    before = stage.group()
    stage.clock.advance(86_400)
    stage.alerts.take_in(message(alert("A"), notification_reason="first notification"))
    after = stage.group()
    assert replace(after, last=before.last) == before


def test_a_silence_made_elsewhere_turns_the_card_grey_and_back_without_a_new_one(stage: Stage) -> None:
    stage.tell(alert("A"))
    group, now = stage.group(), stage.clock.now()
    (name,) = group.alerts
    for hush, tone in ((Hush("silenced", "sara", silence="s1"), Tone.PLAIN), (None, Tone.BAD)):
        look = Look({name: Sighting(group.alerts[name].started, hush)}, now, now - timedelta(days=1))
        group, change = observed(group, look, now)
        assert (group_card(group, stage.id).tone, group.serial, bool(change)) == (tone, 0, False)


def test_a_card_that_its_channel_refuses_has_a_refuge(stage: Stage) -> None:
    board = AlertBoard(stage.alerts, stage.ledger, Routes(Route("C0ALERTS")), "C0OPS", stage.clock)
    stage.tell(alert("A"))
    board.begin([stage.id])
    posting = board.posting(stage.id, shown=False)
    assert posting is not None
    assert (posting.channel, posting.refuge, posting.elsewhere) == ("C0ALERTS", "C0OPS", True)


def test_a_thousand_alerts_in_one_message_are_one_card_within_limits(stage: Stage) -> None:
    stage.tell(*(alert(f"A{number}") for number in range(1000)))
    assert len(stage.group().firing) == 1000
    assert len(draw(group_card(stage.group(), stage.id)).blocks) <= 50


def test_a_thousand_messages_of_one_alert_get_few_cards_and_share_one(stage: Stage) -> None:
    board = AlertBoard(stage.alerts, stage.ledger, Routes(Route("C0ALERTS")), "", stage.clock, threshold=5)
    groups = []
    for number in range(1000):
        labels = {**LABELS, "number": str(number)}
        stage.alerts.take_in(message(alert("A"), groupLabels=labels))
        groups.append(group_id("default", "slack", labels))
    board.begin(groups)
    book = stage.ledger.book("C0ALERTS")
    assert len(book.own) <= 5
    assert book.shared is not None
    assert len(book.own) + len(book.shared.members) == 1000
