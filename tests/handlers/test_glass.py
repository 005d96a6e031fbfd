"""Freezes and the glass, through the desk: what is frozen is not done, and who goes on alone is heard by everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.access import AccessHandler
from handlers.core.door import policy_data
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.denials import Denials
from handlers.core.door.desk import Accepted, Desk, Outside, Said
from handlers.core.door.enrolments import Enrolments
from handlers.core.door.glass import REVIEW, Glass
from handlers.core.door.permits import Permits
from handlers.core.door.rules import Rules
from handlers.core.door.tellings import Tellings
from handlers.core.words.answers import Actor, Invocation, JobId, Press, TargetName
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fakes import someone
from tests.handlers.test_consent import PEOPLE, Team

SARA, OMID, LEILA, NIMA = (someone(each) for each in ("U0SARA", "U0OMID", "U0LEILA", "U0NIMA"))
AUDIT, WHY = "C0AUDIT", "The shop is down and nobody else answers"
# The clock of the tests begins on a Tuesday at 03:00 UTC.
NIGHT = {"name": "night", "from": "22:00", "to": "06:00", "zone": "UTC"}
GLASS = {"people": ["sara"], "minutes": 30}


def policy(*, count: int = 1, **more: Any) -> Rules:
    destroying: dict[str, Any] = {"allow": ["operator"], "may": "destroy"}
    if count:
        destroying["approvals"] = {"count": count, "from": ["lead"]}
    given = [{"allow": ["operator", "lead"], "may": "operate"}, destroying]
    found, problems = policy_data.read({"people": PEOPLE, "rules": given, **more})
    assert problems == ()
    return found


class Night(Team):
    """A desk with a glass, at night."""

    channel = AUDIT

    def new_desk(self) -> Desk:
        self.alarms = Alarms(self.state, self.audit, self.clock, self.entropy)
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        telling = Tellings(self.alarms, someone("negahban"), AUDIT)
        self.glass = glass = Glass(
            self.state, self.book, self.audit, self.clock, self.alarms, someone("negahban"), self.channel
        )
        seeds: Any = None  # nobody is enrolled here
        enrolments = Enrolments(seeds, gate, self.state, self.audit, self.clock, self.entropy, telling)
        permits = Permits(gate, self.people, self.book, self.audit, self.clock)
        denials = Denials(self.state, permits, self.audit, self.clock)
        access = AccessHandler(enrolments, seeds, gate, self.book, self.clock, telling, glass, denials, "")
        outside = Outside(
            self.state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book, telling, glass
        )
        return Desk({"do": self.doing, "access": access}, gate, outside, (access,))

    def press(self, actor: Actor, action: str, value: str, **fields: str) -> Card | Form | None:
        return self.desk.press(Press(action, value, actor, AUDIT, fields))

    def broken(self, job: JobId, actor: Actor = SARA, reason: str = WHY) -> None:
        assert isinstance(self.press(actor, "access_glass", job), Form)
        self.press(actor, "access_break", job, reason=reason)

    def confirm(self, job: JobId, actor: Actor) -> Accepted | Rejected:
        self.clock.advance(31)
        return super().confirm(job, actor)

    def task(self, job: JobId) -> Job | None:
        held = self.state.get(f"alarm:glass:{job}")
        return None if held is None else self.jobs.load(JobId(held.value.decode()))


@pytest.fixture
def night() -> Night:
    return Night()


# -- freezes ---------------------------------------------------------------------------------------------------


def test_what_is_frozen_is_not_offered_and_the_asker_hears_until_when(night: Night) -> None:
    night.book.rules = policy(freezes=[NIGHT])
    answer = night.ask("destroy")
    assert isinstance(answer, Said)
    assert str(answer.card.title) == "This is frozen until 2026-11-24 06:00:00 UTC by night in the policy."
    night.clock.advance(3 * 3600)
    night.began("destroy")


def test_a_freeze_that_begins_after_the_codes_stops_the_job(night: Night) -> None:
    night.clock.moment += timedelta(hours=18, minutes=55)  # 21:55
    night.book.rules = policy(count=0, freezes=[NIGHT])
    job = night.began("destroy")
    night.confirm(job, SARA)
    night.clock.advance(10 * 60)
    night.desk.work(job)
    assert night.doing.ran == []
    assert "frozen until" in str(night.doing.recovered[-1])


def test_a_freeze_stops_what_destroys_only_unless_it_says_operate(night: Night) -> None:
    night.book.rules = policy(freezes=[NIGHT])
    night.began("add")
    night.book.rules = policy(freezes=[{**NIGHT, "may": "operate"}])
    answer = night.ask("look")
    assert isinstance(answer, Said)
    assert "frozen" in str(answer.card.title)
    assert isinstance(night.ask("hello"), Said)


@pytest.mark.parametrize("scope", [{"commands": ["restore"]}, {"targets": ["wiki"]}], ids=["command", "target"])
def test_a_freeze_of_something_else_stops_nothing(night: Night, scope: dict[str, Any]) -> None:
    night.book.rules = policy(freezes=[{**NIGHT, **scope}])
    night.began("destroy")


def test_who_overrides_a_freeze_is_not_stopped_and_still_needs_the_others(night: Night) -> None:
    night.book.rules = policy(freezes=[{**NIGHT, "override": ["lead"]}])
    assert isinstance(night.ask("destroy", actor=NIMA), Said)
    job = night.began("destroy")
    night.confirm(job, SARA)
    assert night.queue.jobs == []
    night.confirm(job, LEILA)
    night.desk.work(job)
    assert night.doing.ran == [job]


def test_who_could_break_the_glass_is_offered_what_is_frozen_and_cannot_do_it_without(night: Night) -> None:
    night.book.rules = policy(count=0, freezes=[NIGHT], break_glass=GLASS)
    job = night.began("destroy")
    night.confirm(job, SARA)
    assert night.queue.jobs == []
    night.jobs.change(job, lambda each: each.moved(JobState.QUEUED))
    night.desk.work(job)
    assert night.doing.ran == []
    assert "frozen until" in str(night.doing.recovered[-1])


# -- the glass -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freezes", [{}, {"freezes": [NIGHT]}], ids=["others must agree", "and it is frozen"])
def test_who_breaks_the_glass_goes_on_alone_and_everybody_hears_it(night: Night, freezes: dict[str, Any]) -> None:
    night.book.rules = policy(break_glass=GLASS, **freezes)
    job = night.began("destroy")
    night.broken(job)
    assert night.queue.jobs == []
    night.confirm(job, SARA)
    assert night.queue.jobs == [job]
    night.desk.work(job)
    assert night.doing.ran == [job]
    task = night.task(job)
    assert task is not None
    assert task.plan.channel == AUDIT
    assert task.outcome is not None
    assert WHY in str(task.outcome.text)
    assert ("glass.broken", "allow") in night.events()
    assert WHY in " ".join(str(each) for each in job_card(night.loaded(job), Wording(Text("It"))).lines)


def test_the_asker_s_first_code_does_not_break_the_glass(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.confirm(job, SARA)
    night.broken(job)
    night.desk.work(job)
    assert night.queue.jobs == []
    night.confirm(job, SARA)
    assert night.queue.jobs == [job]


@pytest.mark.parametrize("change", [{"glass": "Another reason altogether"}, {"glass_at": "2026-11-24T03:00:01+00:00"}])
def test_a_reason_or_moment_that_was_changed_after_the_code_voids_it(night: Night, change: dict[str, str]) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    night.jobs.change(job, lambda each: replace(each, **change))  # type: ignore[arg-type]
    night.desk.work(job)
    assert night.doing.ran == []


def test_somebody_who_writes_a_broken_glass_into_the_state_gets_nothing(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.confirm(job, SARA)
    at = night.clock.now().isoformat()
    night.jobs.change(job, lambda each: replace(each.moved(JobState.QUEUED), glass=WHY, glass_at=at))
    night.desk.work(job)
    assert night.doing.ran == []


def test_a_broken_glass_lasts_for_the_minutes_of_the_policy(night: Night) -> None:
    night.book.rules = policy(break_glass={**GLASS, "minutes": 5})
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    night.clock.advance(5 * 60)
    night.desk.work(job)
    assert night.doing.ran == []
    assert "more than 5 minutes ago" in str(night.doing.recovered[-1])


def test_a_glass_that_the_policy_took_away_meanwhile_lets_nothing_through(night: Night) -> None:
    night.book.rules = known = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    night.book.rules = replace(known, breaking=None)
    night.desk.work(job)
    assert night.doing.ran == []
    assert "does not let the asker go on alone" in str(night.doing.recovered[-1])


@pytest.mark.parametrize("actor", [OMID, LEILA, NIMA], ids=["an operator", "a lead", "who may ask"])
def test_only_the_asker_whom_the_policy_names_breaks_it(night: Night, actor: Actor) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    with pytest.raises(Refusal, match="Only U0SARA"):
        night.press(actor, "access_glass", job)
    if actor is not LEILA:
        own = night.began("destroy", actor=actor)
        assert not night.loaded(own).alone
        with pytest.raises(Refusal, match="does not let you"):
            night.press(actor, "access_break", own, reason=WHY)


@pytest.mark.parametrize("reason", ["", "because", "   x   \n  "])
def test_a_reason_is_a_sentence(night: Night, reason: str) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    with pytest.raises(Refusal, match="Say in a sentence"):
        night.broken(job, reason=reason)


def test_where_nobody_would_hear_it_no_glass_is_broken() -> None:
    class Quiet(Night):
        channel = ""

    night = Quiet()
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    with pytest.raises(Refusal, match="AUDIT_CHANNEL"):
        night.press(SARA, "access_glass", job)


def test_the_task_afterwards_is_ended_by_somebody_else_who_could_have_agreed(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    night.desk.work(job)
    for actor, why in ((SARA, "Somebody else"), (NIMA, "does not let you agree")):
        with pytest.raises(Refusal, match=why):
            night.press(actor, "access_reviewed", job)
    task = night.task(job)
    assert task is not None
    night.press(LEILA, "access_reviewed", job)
    ended = night.jobs.load(task.id)
    assert ended is not None
    assert ended.outcome is not None
    assert "U0LEILA has looked at it" in str(ended.outcome.text)
    assert not night.alarms.raised("glass", TargetName(job))
    assert ended.plan.operation == REVIEW
    with pytest.raises(Refusal, match="already"):
        night.press(LEILA, "access_reviewed", job)


def test_who_went_on_in_a_freeze_does_not_look_at_it_afterwards_with_their_other_account(night: Night) -> None:
    """Where nobody need agree, nobody is asked whether they could have."""
    night.book.rules = policy(count=0, freezes=[NIGHT], break_glass={**GLASS, "people": ["omid"]})
    job = night.began("destroy", actor=OMID)
    night.broken(job, OMID)
    night.confirm(job, OMID)
    night.desk.work(job)
    with pytest.raises(Refusal, match="Somebody else must look"):
        night.press(someone("W0OMID"), "access_reviewed", job)
    night.press(NIMA, "access_reviewed", job)


def test_what_nobody_looked_at_in_a_day_is_said_again_once(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    said = []
    for hours in (23, 2, 24):
        night.clock.advance(hours * 3600)
        night.glass.remind()
        night.glass.remind()
        said.append(sum(event == "alarm.raised" for event, _ in night.events()))
    assert said == [1, 2, 2]
    night.press(LEILA, "access_reviewed", job)


def test_without_the_record_of_it_no_glass_is_broken(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.audit.away = True
    with pytest.raises(Exception, match="audit"):
        night.broken(job)
    assert night.loaded(job).glass == ""


@pytest.mark.parametrize("moment", ["", "soon", "2026-11-24T03:00:00"], ids=["none", "a word", "no time zone"])
def test_a_glass_of_which_nobody_knows_when_it_was_broken_lets_nothing_through(night: Night, moment: str) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.jobs.change(job, lambda each: replace(each, glass_at=moment))
    night.confirm(job, SARA)
    night.jobs.change(job, lambda each: each.moved(JobState.QUEUED) if each.state is JobState.OFFERED else each)
    night.desk.work(job)
    assert night.doing.ran == []
    assert str(night.doing.recovered[-1]) == "When the glass was broken is not known. Nothing was done."


def test_what_nobody_looked_at_is_not_said_again_when_its_card_is_gone(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    night.clock.advance(31 * 86_400)
    night.glass.remind()
    assert [event for event, _ in night.events()].count("alarm.raised") == 1


def test_the_card_of_a_broken_glass_has_a_button_until_somebody_looked_at_it(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    task = night.task(job)
    assert task is not None
    card = night.desk.card(task)
    assert (card.tone, WHY in str(card.title)) == (Tone.WARNING, True)
    [button] = card.buttons
    assert (button.action, str(button.label), button.value) == ("access_reviewed", "I have looked at it", job)
    night.press(LEILA, button.action, button.value)
    over = night.desk.card(night.loaded(task.id))
    assert (str(over.title), over.tone, over.buttons) == ("The glass was broken, and looked at", Tone.GOOD, ())
    assert [str(each) for each in over.lines] == ["U0LEILA has looked at it."]


def test_a_card_of_which_only_the_beginning_was_kept_says_that_nothing_is_known(night: Night) -> None:
    night.book.rules = policy(break_glass=GLASS)
    job = night.began("destroy")
    night.broken(job)
    night.confirm(job, SARA)
    task = night.task(job)
    assert task is not None
    night.jobs.change(task.id, lambda each: replace(each, outcome=None))
    assert str(night.desk.card(night.loaded(task.id)).title) == "Nothing is known of this."
    night.press(LEILA, "access_reviewed", job)
    assert not night.alarms.raised("glass", TargetName(job))
    assert str(night.desk.card(night.loaded(task.id)).title) == "Nothing is known of this."


def test_nothing_is_typed_to_reach_a_second_factor(night: Night) -> None:
    night.book.rules = Rules()
    answer = night.desk.ask(Invocation("access", ("enrol",), SARA, "C0OPS"))
    assert isinstance(answer, Said)
    assert str(answer.card.title) == "Second factors are set up on the bot's Home tab."


def test_where_browsers_do_not_reach_the_bot_the_host_is_named(night: Night) -> None:
    night.book.rules = Rules()
    with pytest.raises(Refusal, match="python -m bot enroll U0SARA"):
        night.press(SARA, "access_enrol", "me")
    assert [each for each in night.state.keys("enrol") if each] == []
