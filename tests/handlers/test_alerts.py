"""Alerts: what was told and pressed, and what the card says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.blocks import draw, draw_note
from handlers.alerts import SILENT, Alerts
from handlers.core.alerts import notices
from handlers.core.alerts.alert_cards import group_card, history
from handlers.core.alerts.groups import Change, Group
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import Notice, group_id
from handlers.core.words.answers import Press
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from tests.fakes import FakeClock, FakeEntropy, MemoryState, someone

LABELS = {"job": "shop"}
CLEAN = b'{"ok": true, "vulnerabilities": [], "uniqueCount": 0}'
FOUND = json.dumps(
    {"ok": False, "vulnerabilities": [{"id": "S1", "name": "left-pad", "version": "1", "severity": "high"}]}
).encode()


def alert(name: str, started: int = 0, ended: int | None = None, **annotations: str) -> dict[str, Any]:
    return {
        "status": "firing" if ended is None else "resolved",
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": annotations,
        "startsAt": f"2026-11-24T03:{started:02}:00Z",
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else f"2026-11-24T03:{ended:02}:00Z",
    }


def message(*alerts: dict[str, Any], **changes: Any) -> Notice:
    data = {"receiver": "slack", "groupLabels": LABELS, "alerts": alerts, **changes}
    return notices.read(json.dumps(data).encode(), "default")


class Stage:
    """Alerts over a state in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = MemoryState(self.clock)
        self.ledger = Ledger(self.state)
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy())
        self.id = group_id("default", "slack", LABELS)

    def tell(self, *alerts: dict[str, Any]) -> None:
        self.alerts.take_in(message(*alerts))

    def press(self, action: str, person: str = "U0SARA", group: str = "") -> Card | None:
        answer = self.alerts.press(Press(action, group or self.id, someone(person), "C0ALERTS"))
        assert answer is None or isinstance(answer, Card)
        return answer

    def group(self, name: str = "") -> Group:
        group = self.ledger.load(name or self.id)
        assert group is not None
        return group

    def report(self, body: bytes) -> Card:
        self.alerts.take_report("snyk", "shop", "main", body)
        name = group_id("ci", "ci", {"tool": "snyk", "repo": "shop", "ref": "main"})
        return group_card(self.group(name), name)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_first_presser_wins_and_the_second_is_told_who(stage: Stage) -> None:
    stage.tell(alert("A"))
    assert stage.press("alert_ack", "U0SARA") is None
    before = stage.group()
    late = stage.press("alert_ack", "U0ALI")
    assert late is not None
    assert "U0SARA acknowledged this already" in str(late.title)
    assert stage.group() == before


def test_of_many_who_press_at_once_one_wins_and_the_others_are_told_who(stage: Stage) -> None:
    stage.tell(alert("A"), alert("B"))
    people = [f"U0P{number}" for number in range(8)]
    together = Barrier(len(people))

    def press(person: str) -> Card | None:
        together.wait(10)
        return stage.press("alert_ack", person)

    with ThreadPoolExecutor(len(people)) as pool:
        answers = dict(zip(people, pool.map(press, people), strict=True))
    held = stage.group().acknowledged
    assert held is not None
    assert [person for person, answer in answers.items() if answer is None] == [held.by]
    told = [str(answer.title) for answer in answers.values() if answer is not None]
    assert all(each.startswith(f"{held.by} acknowledged this already") for each in told)


def test_an_acknowledgement_names_exactly_what_fires(stage: Stage) -> None:
    stage.tell(alert("A"), alert("B"), alert("C", 0, 5))
    stage.press("alert_ack")
    held = stage.group().acknowledged
    assert held is not None
    assert set(held.alerts) == set(stage.group().firing)
    assert len(held.alerts) == 2


def test_what_began_to_fire_later_is_not_acknowledged_until_somebody_does(stage: Stage) -> None:
    stage.tell(alert("A"))
    stage.press("alert_ack", "U0SARA")
    stage.tell(alert("A"), alert("D", 9))
    held = stage.group().acknowledged
    assert held is not None
    assert set(stage.group().firing) - set(held.alerts)
    assert stage.press("alert_ack", "U0ALI") is None
    held = stage.group().acknowledged
    assert held is not None
    assert (held.by, set(held.alerts)) == ("U0ALI", set(stage.group().firing))


def test_nothing_is_acknowledged_when_nothing_fires(stage: Stage) -> None:
    stage.tell(alert("A", 0, 5))
    answer = stage.press("alert_ack")
    assert answer is not None
    assert "over since" in str(answer.title)
    assert stage.group().acknowledged is None


def test_nothing_is_taken_back_that_nobody_acknowledged(stage: Stage) -> None:
    stage.tell(alert("A"))
    before = stage.group()
    answer = stage.press("alert_unack")
    assert answer is not None
    assert str(answer.title) == "Nobody has acknowledged this, so there is nothing to take back."
    assert answer.tone is Tone.WARNING
    assert stage.group() == before


@pytest.mark.parametrize("action", ["alert_ack", "alert_unack", "alert_silence", "alert_unsilence"])
def test_a_press_on_an_unknown_group_is_refused(stage: Stage, action: str) -> None:
    with pytest.raises(Refusal):
        stage.press(action, group="0" * 20)
    assert stage.state.keys("group:") == ()


def test_a_silent_watchdog_is_an_alert_that_ends_when_it_is_heard_again(stage: Stage) -> None:
    name = group_id("negahban", "watchdog", {"source": "default"})
    stage.tell(alert("Watchdog"))
    assert stage.state.keys("group:") == (), "it is no card"
    stage.clock.advance(SILENT.total_seconds())
    stage.alerts.look()
    assert stage.ledger.load(name) is None
    stage.clock.advance(1)
    stage.alerts.look()
    stage.alerts.look()
    assert not stage.group(name).over
    assert group_card(stage.group(name), name).tone is Tone.BAD
    stage.tell(alert("Watchdog"))
    stage.alerts.look()
    assert stage.group(name).over


def test_a_watchdog_that_ended_says_nothing_of_a_monitoring_that_works(stage: Stage) -> None:
    stage.tell(alert("Watchdog", 0, 5))
    assert stage.ledger.watchdogs() == {}


def test_a_ci_report_is_found_then_fixed_then_clean_then_unusable(stage: Stage) -> None:
    assert stage.report(FOUND).tone is Tone.BAD
    fixed = stage.report(CLEAN)
    assert (fixed.tone, stage.report(CLEAN).tone) == (Tone.GOOD, Tone.GOOD)
    stage.clock.advance(60)
    unusable = stage.report(b"{")
    assert unusable.tone is Tone.UNKNOWN
    assert "not known" in str(unusable.title)


def test_a_clean_ci_report_of_what_was_never_wrong_is_nothing(stage: Stage) -> None:
    stage.alerts.take_report("snyk", "shop", "", CLEAN)
    assert stage.state.keys("group:") == ()


def test_that_a_ci_job_reports_at_all_is_known_by_repository_whatever_it_found(stage: Stage) -> None:
    began = stage.clock.now()
    assert stage.ledger.reports() == {}
    stage.alerts.take_report("snyk", "shop", "", CLEAN)
    stage.clock.advance(60)
    stage.alerts.take_report("snyk", "bank", "", FOUND)
    assert stage.ledger.reports() == {"shop": began, "bank": stage.clock.now()}


def test_what_ended_beyond_what_a_card_holds_is_counted(stage: Stage) -> None:
    stage.tell(*(alert(name, 0, 5) for name in "ABCDEF"))
    lines = [str(each) for each in group_card(stage.group(), stage.id).lines]
    assert (len(lines), lines[-1]) == (5, "+2 more over")


def test_what_is_over_while_others_were_left_out_is_not_green(stage: Stage) -> None:
    stage.tell(alert("A", 0, 5))
    assert group_card(stage.group(), stage.id).tone is Tone.GOOD
    card = group_card(replace(stage.group(), hidden=3), stage.id)
    assert (card.tone, str(card.title)) == (Tone.UNKNOWN, "A: over, as far as told")
    assert "Alertmanager left out 3 more (max_alerts); whether they fire is not known." in map(str, card.lines)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        (0, "Nothing of this group fires any more."),
        (3, "Nothing of this group that Alertmanager tells of fires any more."),
    ],
)
def test_the_thread_ends_a_group_only_as_far_as_told(stage: Stage, hidden: int, said: str) -> None:
    stage.tell(alert("A", 0, 5))
    group = replace(stage.group(), hidden=hidden)
    (line,) = history(group, Change(ended=tuple(group.alerts.values())))
    assert str(line).endswith(said)


def test_an_address_that_is_none_leads_where_it_says_and_names_no_host(stage: Stage) -> None:
    stage.tell(alert("A", runbook_url="https://[broken") | {"generatorURL": "https://prometheus.example/graph"})
    links = {str(each.label): each.url for each in group_card(stage.group(), stage.id).links}
    assert links == {
        "Runbook page ()": "https://[broken",
        "Graph (prometheus.example)": "https://prometheus.example/graph",
    }


STORIES = st.lists(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 9), st.none() | st.integers(10, 20)), min_size=1, max_size=3
    ),
    min_size=1,
    max_size=5,
)


@given(STORIES, st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_the_same_messages_ends_in_the_same_card(
    story: list[list[tuple[str, int, int | None]]], random: Any
) -> None:
    told = [message(*(alert(*each, summary=each[0]) for each in alerts)) for alerts in story]
    again = [*told, *random.choices(told, k=3)]
    random.shuffle(again)
    first, second = Stage(), Stage()
    for one in told:
        first.alerts.take_in(one)
    for one in again:
        second.alerts.take_in(one)
    assert group_card(first.group(), first.id) == group_card(second.group(), second.id)


HOSTILE = [
    "<!channel> <!here> <@U0SARA> <!subteam^S0OPS>", "<https://evil.example|your bank>", "```\ncode\n```", "`*_~",
    "x" * 100_000, "<" * 100_000, "\u202egnol\u202c \u2066x", "فارسی \u200f<!everyone>", "a\x00\x07\x1b[31m\nb\r",
    "&lt;!channel&gt;", "> quoted", ":bomb:", "\ud800",
]  # fmt: skip


def strings(value: object, *, read: bool = True) -> Iterator[tuple[str, bool]]:
    """Every string, and whether Slack reads it as mrkdwn: `plain_text` it shows as it stands."""
    if isinstance(value, str):
        yield value, read
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each, read=read and value.get("type") != "plain_text")
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each, read=read)


# What our own code may write between angles: a date, and the mention of whoever pressed.
OURS = re.compile(r"<!date\^[0-9]+\^[^<>|]*\|[^<>]*>|<@U0PRESSER>")


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_labels_and_annotations_are_drawn_and_obeyed_nowhere(stage: Stage, word: str) -> None:
    wrong = alert("A") | {
        "labels": {"alertname": word, "severity": word, "instance": word, word[:100]: word},
        "annotations": dict.fromkeys(("summary", "description", "runbook_url", "dashboard_url", "message"), word),
        "generatorURL": word,
    }
    bare = wrong | {"annotations": {}, "labels": {"alertname": word, "x": word}, "status": "resolved"}
    notice = message(wrong, bare, groupLabels={word[:200]: word}, receiver=word, externalURL=word)
    stage.alerts.take_in(notice)
    stage.press("alert_ack", "U0PRESSER", notice.group)
    group = stage.group(notice.group)
    drawn = [draw(group_card(group, notice.group)), *(draw_note(each) for each in group.said)]
    for shown, read in strings([[each.text, each.blocks] for each in drawn]):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
        assert len(shown) <= 4000
        if read:
            left = OURS.sub("", shown)
            assert not {"<", ">"} & set(left), "an angle of somebody else"
            assert "```" not in left


def test_a_moment_is_read_in_utc() -> None:
    assert notices.moment("2026-11-24T06:30:00+03:30") == datetime(2026, 11, 24, 3, tzinfo=UTC)
