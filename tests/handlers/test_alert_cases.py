"""The twenty-five cases that a receiver of Alertmanager must pass: `CASES` says which tests prove each of them.

Those of them that a state in memory can show are here; the others are where what they need is.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.slack.blocks import draw
from handlers.alerts import AlertBoard
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.groups import Hush, Look, Sighting, observed
from handlers.core.alerts.notices import MOST_WORDS, group_id
from handlers.core.alerts.routes import Route, Routes
from handlers.core.words.cards import Tone
from tests.handlers.test_alerts import LABELS, Stage, alert, message

TESTS = Path(__file__).parents[1]

# By the number of the case; a name without a file is a test of this one.
CASES = {
    1: ["test_two_peers_that_tell_the_same_at_once_make_one_card_and_no_second_word",
        "chaos/test_alert_relay.py::test_two_alertmanagers_that_tell_the_same_are_one_truth_while_both_bots_are_killed"],
    2: ["handlers/test_groups.py::test_an_end_before_the_beginning_was_told_stays_an_end",
        "handlers/test_recorded_alerts.py::test_an_alert_that_was_held_back_may_end_without_ever_having_fired_here"],
    3: ["test_what_a_later_message_leaves_out_still_fires_and_its_history_stays",
        "handlers/test_recorded_alerts.py::test_mixed_messages_end_one_alert_after_the_other"],
    4: ["test_a_new_start_soon_after_an_end_is_the_same_card_that_came_back"],
    5: ["handlers/test_groups.py::test_a_webhook_is_read_without_group_labels_and_with_an_escaped_receiver",
        "handlers/test_groups.py::test_any_alerts_that_are_objects_can_be_kept"],
    6: ["test_what_alertmanager_cut_is_counted_on_the_card_and_ends_nothing",
        "handlers/test_recorded_alerts.py::test_what_max_alerts_left_out_is_counted_and_ends_nothing"],
    7: ["handlers/test_groups.py::test_a_webhook_is_read_without_group_labels_and_with_an_escaped_receiver"],
    8: ["handlers/test_recorded_alerts.py::test_the_receiver_comes_back_as_it_is_written"],
    9: ["handlers/test_recorded_alerts.py::test_without_group_by_everything_is_one_group",
        "handlers/test_recorded_alerts.py::test_grouped_by_everything_each_alert_is_a_group_of_its_own"],
    10: ["test_a_group_survives_another_group_key"],
    11: ["test_an_alert_without_a_name_has_a_card", "test_an_annotation_of_five_megabytes_is_cut_before_it_is_kept",
         "bot/slack/test_hostile_alerts.py::test_hostile_words_are_words_in_every_kind_of_message"],
    12: ["test_what_looks_like_a_password_is_veiled"],
    13: ["bot/test_intake.py::test_what_is_no_webhook_is_refused_for_good_and_counted"],
    14: ["bot/test_intake.py::test_while_the_state_is_away_the_sender_is_told_to_try_again_and_then_it_is_stored",
         "chaos/test_alert_relay.py::test_while_redis_is_away_webhooks_are_refused_quickly_and_nothing_is_lost"],
    15: ["test_the_intake_only_stores_and_marks"],
    16: ["test_clocks_that_disagree_by_hours_change_nothing"],
    17: ["test_what_ended_while_we_were_down_says_that_its_end_was_not_told",
         "handlers/test_watch.py::test_what_vanished_is_closed_with_its_silence_lifted"],
    18: ["test_a_first_notification_about_an_old_episode_is_a_repetition"],
    19: ["test_a_silence_made_elsewhere_turns_the_card_grey_and_back_without_a_new_one"],
    20: ["handlers/test_alerts.py::test_a_silent_watchdog_is_an_alert_that_ends_when_it_is_heard_again"],
    21: ["bot/test_intake.py::test_sources_are_told_apart_and_a_wrong_name_is_the_default"],
    22: ["bot/test_relay_alerts.py::test_a_card_that_its_channel_refuses_is_in_the_refuge_with_the_reason",
         "bot/test_relay_alerts.py::test_a_bot_that_is_no_member_any_more_shows_the_card_in_the_refuge",
         "bot/test_relay_alerts.py::test_a_card_that_somebody_removed_is_in_the_refuge_and_says_so"],
    23: ["bot/test_relay_alerts.py::test_a_card_too_old_to_be_edited_is_followed_by_one_that_leads_to_it"],
    24: ["test_a_thousand_alerts_in_one_message_are_one_card_within_limits",
         "test_a_thousand_messages_of_one_alert_get_few_cards_and_share_one"],
    25: ["bot/test_intake.py::test_while_it_goes_down_nothing_is_stored"],
}  # fmt: skip


def test_every_case_has_its_tests() -> None:
    assert list(CASES) == list(range(1, 26))
    for each in (each for tests in CASES.values() for each in tests):
        file, _, name = each.rpartition("::")
        assert f"def {name}(" in (TESTS / (file or "handlers/test_alert_cases.py")).read_text(), each


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
