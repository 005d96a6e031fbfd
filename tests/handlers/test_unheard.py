"""What was pressed while Alertmanager is away: the card says that others do not know it, once, until it is heard."""

from __future__ import annotations

import base64
import json
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import languages
from bot.slack.blocks import draw
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.alertmanagers import Listed
from handlers.core.alerts.groups import LOUD, QUIET, Group
from handlers.core.alerts.ledger import decoded, encoded
from handlers.core.alerts.notices import Notice, Seen, fingerprint_of
from handlers.core.alerts.watch import MARK, Watch
from handlers.core.words.errors import OutsideError, Refusal
from tests.handlers.test_silences import TYPED, Silencing
from tests.handlers.test_watch import A, B

STORED = Path(__file__).parents[1] / "fixtures" / "state" / "2026-11.tar.gz"
TOLD = "Alertmanager could not be told what was pressed here; until it is, it may tell others. It is tried again."
STILL = "Alertmanager could not be told what was pressed here; until it is, it may stay quiet. It is tried again."


class Away(Silencing):
    """With an Alertmanager that comes and goes."""

    def missed(self, rounds: int = 1, seconds: float = 15) -> None:
        """Rounds while it is away."""
        self.alertmanager.away = True
        for _ in range(rounds):
            self.clock.advance(seconds)
            with pytest.raises(OutsideError):
                self.watch.round()

    def cut(self) -> None:
        """A round in which it goes away after the look and one call."""
        self.alertmanager.away, self.alertmanager.answers = False, 2
        self.clock.advance(15)
        with pytest.raises(OutsideError):
            self.watch.round()

    def back(self, seconds: float = 15) -> None:
        self.alertmanager.away, self.alertmanager.answers = False, None
        self.rounds(1, seconds)

    @property
    def said(self) -> str:
        """What the card says first, when it is about Alertmanager."""
        first = str(group_card(self.group, self.id).lines[0])
        return first if first.startswith("Alertmanager") else ""


@pytest.fixture
def house() -> Away:
    return Away()


def test_an_acknowledgement_that_alertmanager_has_not_heard_says_so_until_it_has(house: Away) -> None:
    house.press("alert_ack")
    assert house.said == "", "it is about to be told"
    house.missed()
    assert house.said == TOLD
    house.back()
    assert (house.said, house.alertmanager.made) == ("", 2)


def test_what_was_taken_back_says_that_alertmanager_may_stay_quiet(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    house.missed()
    assert house.said == STILL
    house.back()
    assert (house.said, house.alertmanager.silences) == ("", {})


def test_what_was_taken_back_before_alertmanager_heard_of_it_leaves_nothing_to_say(house: Away) -> None:
    house.press("alert_ack")
    house.missed()
    house.press("alert_unack")
    house.missed()
    assert house.said == ""


def test_the_silences_of_what_was_taken_back_end_by_themselves(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    house.missed(59)
    assert house.said == STILL
    house.missed()
    assert house.said == "", "fifteen minutes are over"


def test_an_acknowledgement_that_was_heard_says_nothing_until_its_silence_could_not_be_lengthened(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.missed(59)
    assert house.said == ""
    house.missed()
    assert house.said == TOLD, "fifteen minutes are over"
    house.back()
    assert house.said == ""


def test_a_silence_and_its_lifting_say_so_too(house: Away) -> None:
    house.asked(**TYPED)
    house.missed()
    assert house.said == TOLD
    house.back()
    assert house.said == ""
    house.missed()
    assert house.said == "", "it was heard"
    house.pressed("alert_unsilence")
    house.missed()
    assert house.said == STILL
    house.back()
    assert (house.said, house.alertmanager.silences) == ("", {})


def test_a_silence_that_is_lifted_before_alertmanager_heard_of_it_leaves_nothing_to_say(house: Away) -> None:
    house.asked(**TYPED)
    house.missed()
    house.pressed("alert_unsilence")
    house.missed()
    assert house.said == ""


def test_a_silence_whose_time_passed_unheard_leaves_nothing_to_say(house: Away) -> None:
    house.asked(**TYPED)
    house.missed()
    house.missed(1, 3600)
    assert house.said == ""


def test_of_two_alerts_of_which_alertmanager_heard_one_the_card_says_so(house: Away) -> None:
    house.press("alert_ack")
    house.cut()
    assert (house.alertmanager.made, house.said) == (1, TOLD)
    house.back()
    assert (house.alertmanager.made, house.said) == (2, "")


def test_what_alertmanager_heard_half_of_is_known_when_it_is_taken_back(house: Away) -> None:
    house.press("alert_ack")
    house.cut()
    house.press("alert_unack")
    house.missed()
    assert house.said == STILL


def test_what_alertmanager_heard_half_of_is_known_when_it_is_acknowledged_anew(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    house.missed()
    house.press("alert_ack")
    house.missed()
    assert house.said == "", "the former silences stand yet"
    house.press("alert_unack")
    house.cut()
    assert (len(house.alertmanager.silences), house.said) == (1, STILL)
    house.press("alert_ack")
    house.missed()
    assert house.said == TOLD


def test_what_ended_in_alertmanager_itself_is_not_said_to_stand(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    house.alertmanager.silences.clear()
    house.rounds(1)
    house.missed()
    assert house.said == ""


def test_about_what_is_over_nobody_needs_to_know_who_stays_quiet(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    now = house.clock.now()
    seen = tuple(Seen(fingerprint_of(each), each, {}, now, now, "") for each in (A, B))
    house.alerts.take_in(Notice("default", "slack", {}, seen))
    house.missed()
    assert (house.group.over, house.said) == (True, "")


def test_a_silence_that_was_lengthened_before_a_crash_is_known_to_stand(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    before = house.group
    house.rounds(1, 11 * 60)
    house.ledger.change(house.id, lambda _: before)
    house.rounds(1)
    house.missed(1, 10 * 60)
    assert house.said == "", "sixteen minutes after the first, ten after the second"


def test_what_began_to_fire_again_after_its_silence_was_lifted_is_unheard(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    listed = house.alertmanager.alerts.pop(fingerprint_of(A))
    house.rounds(2)
    assert [labels for labels, _ in house.alertmanager.silences.values()] == [B]
    again = replace(listed, started=house.clock.now())
    house.alerts.take_in(Notice("default", "slack", {}, (Seen(fingerprint_of(A), A, {}, again.started, None, ""),)))
    house.missed()
    assert house.said == TOLD
    house.alertmanager.alerts[fingerprint_of(A)] = again
    house.back()
    assert house.said == ""


def test_a_silence_that_is_refused_says_so_while_the_others_say_nothing(house: Away) -> None:
    heard = house.id
    house.press("alert_ack")
    house.rounds(1)
    refused = {"alertname": "C", "severity": "critical", "instance": "refused"}
    seen = Seen(fingerprint_of(refused), refused, {}, house.clock.now(), None, "")
    house.take_in(Notice("default", "slack", {"team": "shop"}, (seen,)))
    house.alertmanager.alerts[fingerprint_of(refused)] = Listed(seen.started, refused)
    house.press("alert_ack")
    for _ in range(2):
        with pytest.raises(Refusal):
            house.rounds(1)
        assert house.said == TOLD
    house.id = heard
    assert house.said == ""


def test_a_silence_that_stood_when_the_acknowledgement_was_taken_back_meanwhile_is_known(house: Away) -> None:
    house.press("alert_ack")
    made = house.alertmanager.silence

    def slowly(*wanted: object) -> str:
        if house.group.acknowledged is not None:
            house.press("alert_unack")
        return made(*wanted)  # type: ignore[arg-type]

    house.alertmanager.silence = slowly  # type: ignore[method-assign,assignment]
    house.alertmanager.answers = 3
    house.clock.advance(15)
    house.watch.round()
    house.missed()
    assert (len(house.alertmanager.silences), house.said) == (2, STILL)
    house.back()
    assert (house.alertmanager.silences, house.said) == ({}, "")


def test_nothing_is_said_of_what_no_alertmanager_has_to_hear(house: Away) -> None:
    labels = {"alertname": "C", "severity": "critical"}
    for source, exact in (("second", True), ("default", False)):
        seen = Seen(fingerprint_of(labels), labels, {}, house.clock.now(), None, "", exact=exact)
        house.take_in(Notice(source, "slack", {"team": "shop"}, (seen,)))
        house.press("alert_ack")
        house.missed()
        assert house.said == ""
        house.alertmanager.away = False


def test_nothing_is_written_while_it_stays_away_and_nothing_more_when_it_answers(house: Away) -> None:
    house.rounds(1, 15.000_123)
    house.press("alert_ack")
    house.missed()
    writes = house.state.writes
    house.missed(500)
    assert house.state.writes == writes
    house.back()
    after = house.state.writes
    assert after == writes + 1, "it was heard, and until when it is quiet"
    house.rounds(20)
    assert house.state.writes == after


def test_two_bots_of_which_one_cannot_reach_alertmanager_do_not_change_the_card_in_turns(house: Away) -> None:
    apart = Watch(house.ledger, house.alertmanager, house.clock)
    house.press("alert_ack")
    seen: list[str] = []
    for _ in range(200):
        house.alertmanager.away = True
        with pytest.raises(OutsideError):
            apart.round()
        seen.append(house.said)
        house.back()
        seen.append(house.said)
    assert seen == [TOLD, *[""] * 399]


def test_what_an_earlier_release_stored_is_read_and_says_nothing(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    stored = json.loads(encoded(house.group))
    assert (stored.pop("unheard"), len(stored.pop("standing"))) == ("", 2)
    old = decoded(json.dumps(stored).encode())
    assert (old.acknowledged, old.standing) == (house.group.acknowledged, {})
    assert not any("could not be told" in str(each) for each in group_card(old, house.id).lines)
    house.ledger.change(house.id, lambda _: old)
    house.rounds(1)
    assert house.alertmanager.made == 2, "what stands is found, and not made again"
    house.missed()
    assert house.said == ""


def test_silences_that_an_earlier_release_made_are_lifted_too(house: Away) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.ledger.change(house.id, lambda each: replace(each, standing={}))
    house.press("alert_unack")
    house.rounds(1)
    assert (house.alertmanager.silences, house.group.standing) == ({}, {})


WORDS = [
    (LOUD, "en", "it may tell others"),
    (QUIET, "en", "it may stay quiet"),
    (LOUD, "fa", "شاید به دیگران خبر بدهد"),
    (QUIET, "fa", "شاید ساکت بماند"),
]


@pytest.mark.parametrize(("state", "tongue", "words"), WORDS)
def test_it_is_read_first_in_every_language_also_in_a_notification_and_on_a_card_with_no_room(
    house: Away, state: str, tongue: str, words: str
) -> None:
    long = {f"label{number}": "x" * 300 for number in range(6)}
    (alert, *_) = house.group.alerts.values()
    alerts = {f"{number:016}": replace(alert, labels={**A, **long}) for number in range(60)}
    group = replace(house.group, alerts=alerts, unheard=state)
    drawn = draw(group_card(group, house.id), languages.tongues()[tongue])
    first = drawn.blocks[1]["text"]["text"].splitlines()[0]
    assert words in first
    assert drawn.text.splitlines()[1] == first


def test_without_an_alertmanager_nothing_is_said_of_it(house: Away) -> None:
    group = replace(house.group, unheard=LOUD)
    assert group_card(group, house.id, silencing=False) == group_card(house.group, house.id, silencing=False)


def test_what_was_stored_in_november_is_read_and_written_without_a_change_of_meaning() -> None:
    with tarfile.open(STORED) as archive:
        about = json.load(archive.extractfile("state.json"))  # type: ignore[arg-type]
    (stored,) = [
        base64.b64decode(each["value"]) for key, each in about["redis"].items() if key.startswith("negahban:group:")
    ]
    group = decoded(stored)
    assert group.acknowledged is not None
    assert json.loads(stored).items() <= json.loads(encoded(group)).items()
    assert (group.unheard, group.standing) == ("", {})


def quiet(house: Away) -> set[str]:
    """The alerts that Alertmanager tells nobody about, by their name."""
    now = house.clock.now()
    return {labels["alertname"] for labels, each in house.alertmanager.silences.values() if each.until > now}


def truth(group: Group, silent: set[str]) -> str:
    """What Alertmanager does otherwise than was wished."""
    held = {} if group.acknowledged is None else group.acknowledged.alerts
    wished = {each.name for name, each in group.firing.items() if name in held}
    others = {each.name for name, each in group.firing.items() if name not in held}
    return LOUD if wished - silent else QUIET if others & silent else ""


STEPS = st.sampled_from(
    [
        *("alert_ack", "alert_unack", "round", "missed", "wait"),
        *("cut-1", "cut-2", "cut-3", "ends-A", "ends-B", "fires-A", "fires-B"),
    ]
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_is_pressed_and_missed_the_card_says_what_alertmanager_does_otherwise(steps: list[str]) -> None:
    house = Away()
    for step in steps:
        match step.split("-"):
            case ["round"]:
                house.back()
                assert house.group.unheard == truth(house.group, quiet(house)) == ""
            case ["missed"] | ["cut", _]:
                house.alertmanager.away, house.alertmanager.answers = False, int(step[-1:]) if "-" in step else 0
                house.clock.advance(15)
                with suppress(OutsideError):
                    house.watch.round()
                house.alertmanager.answers = 0
                with pytest.raises(OutsideError):
                    house.watch.round()
                assert house.group.unheard == truth(house.group, quiet(house))
                writes = house.state.writes
                with pytest.raises(OutsideError):
                    house.watch.round()
                assert house.state.writes == writes
            case ["wait"]:
                house.clock.advance(400)
            case [what, name]:
                labels, now = (A if name == "A" else B), house.clock.now()
                seen = Seen(fingerprint_of(labels), labels, {}, now, now if what == "ends" else None, "")
                house.alerts.take_in(Notice("default", "slack", {}, (seen,)))
                house.alertmanager.alerts.pop(seen.fingerprint, None)
                if what == "fires":
                    house.alertmanager.alerts[seen.fingerprint] = Listed(now, labels)
            case _:
                house.press(step)
        assert decoded(encoded(house.group)) == house.group
    assert all(each.comment.startswith(MARK) for _, each in house.alertmanager.silences.values())
