"""/runbook: what to look at and what to do, step by step, each step with a button that works tomorrow too.

- `/runbook` lists, `show NAME` shows, `NAME` starts a run, `runs` lists runs, `report RUN` writes one down. An alert's
  button starts the runbook that answers it; two who press get one run.
- Running a step is a job of the desk in a lane of the run, shown by the run's card (handlers/performing.py).
- What is done by hand, left out, ended or taken over is a compare-and-set on the run; the slower click is told why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from handlers.core.answers import Confirm, Invocation, PersonId, Press, Reply, Start, Surface, TargetName
from handlers.core.cards import Card, Tone
from handlers.core.errors import Refusal
from handlers.core.groups import Group
from handlers.core.jobs import Job, Outcome
from handlers.core.ledger import Ledger
from handlers.core.library import Library
from handlers.core.misprints import OPERATION, Misprints, misprint_card
from handlers.core.policy import Permission
from handlers.core.ports import Entropy
from handlers.core.postings import Posting
from handlers.core.run_cards import run_card, shown_card
from handlers.core.run_reports import report
from handlers.core.runbooks import Runbook
from handlers.core.runs import Run, by_hand, closed, noted, taken_over
from handlers.core.text import Code, Lines, Person, Text
from handlers.core.work import Work
from handlers.performing import OPERATIONS, Performer, lane, parsed

NOTICE = "runbook.notice"
LISTED = 15
PAGE = 2300


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What a run is made from."""

    library: Library
    ledger: Ledger
    entropy: Entropy
    target: TargetName


class RunbookHandler:
    """See the module; a Handler, and what stands behind the buttons of runs."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        **{operation: permission for permission, operation in OPERATIONS.items()},
    }
    asking: frozenset[str] = frozenset()
    presses: Mapping[str, Permission] = {
        "alert_runbook": Permission.OPERATE,
        "step_run": Permission.READ,
        "step_done": Permission.OPERATE,
        "step_skip": Permission.OPERATE,
        "run_abort": Permission.OPERATE,
        "run_hand_over": Permission.OPERATE,
        "run_report": Permission.READ,
    }

    def __init__(self, beginnings: Beginnings, performer: Performer) -> None:
        self._library = beginnings.library
        self._ledger = beginnings.ledger
        self._entropy = beginnings.entropy
        self._target = beginnings.target
        self._performer = performer
        self._records = performer.records
        self._clock = performer.clock

    # -- words -------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case () | ("list",):
                return Reply(self._list())
            case ("help",):
                return Reply(_help())
            case ("runs",):
                return Reply(self._runs())
            case ("show", name):
                return Reply(shown_card(self._library.find(name)))
            case ("report", run_id):
                run = self._performer.known(run_id)
                return Reply(Card(Text("Report of run {id}", id=Code(run.id)), lines=self._pages(run)))
            case ("show",):
                raise Refusal(Text("Which runbook? `/runbook` lists them."))
            case ("report",):
                raise Refusal(Text("Of which run? `/runbook runs` shows their ids."))
            case (name,) | (name, "start"):
                return Reply(self._started(self._library.find(name), invocation))
            case _:
                raise Refusal(Text("/runbook does not know that. `/runbook help` shows what it knows."))

    def _started(self, runbook: Runbook, invocation: Invocation) -> Card:
        if invocation.actor.surface is Surface.TERMINAL:
            raise Refusal(Text("A run is worked through in Slack; here only `show`, `runs` and `report` work."))
        run = self._new(runbook, invocation.actor.person, invocation.channel, self._entropy.token(10))
        self._records.create(run)
        return Card(Text("{title} is started; its card is in this channel.", title=runbook.title))

    def _new(self, runbook: Runbook, person: PersonId, channel: str, run_id: str) -> Run:
        return Run(
            id=run_id,
            runbook=runbook,
            target=self._target,
            channel=channel,
            by=person,
            lead=person,
            began=self._clock.now(),
        )

    def _list(self) -> Card:
        runbooks, problems = self._library.runbooks(), self._library.problems()
        lines = [
            Text("{name}: {title} ({count} steps)", name=Code(each.name), title=each.title, count=len(each.steps))
            for each in runbooks.values()
        ]
        for name, said in problems.items():
            why = "; ".join(said[:5])
            old = Text(" The last good version of it is used.") if name in runbooks else Text("")
            lines.append(Text("{name} is wrong: {why}.{old}", name=Code(name), why=why, old=old))
        title = Text("{count} runbooks", count=len(runbooks))
        footer = Text("`/runbook show NAME` shows one, `/runbook NAME` starts it.")
        return Card(title, Tone.WARNING if problems else Tone.PLAIN, tuple(lines), footer=footer)

    def _runs(self) -> Card:
        lines = [
            Text(
                "{id}: {title}, {state}, started by {person} {at}",
                id=Code(each.id),
                title=each.runbook.title,
                state="over" if each.over is not None else "open",
                person=Person(each.by),
                at=each.began,
            )
            for each in self._records.all()[:LISTED]
        ]
        return Card(Text("The newest runs"), lines=tuple(lines) or (Text("None in the last 30 days."),))

    def _pages(self, run: Run) -> tuple[Text, ...]:
        written = report(run, self._ledger.load(run.group) if run.group else None)
        pages = [""]
        for line in written.splitlines():
            if pages[-1] and len(pages[-1]) + len(line) > PAGE:
                pages.append("")
            pages[-1] += line[:PAGE] + "\n"
        return tuple(Text("{page}", page=Lines(each)) for each in pages)

    # -- buttons -----------------------------------------------------------------------------------------------

    def press(self, press: Press) -> Card | Start | Confirm | None:
        """See Pressable."""
        now, who, changed = self._clock.now(), press.actor.person, self._performer.changed
        match press.action:
            case "alert_runbook":
                return self._answered(press)
            case "step_run":
                return self._performer.pressed(press)
            case "step_done" | "step_skip":
                run_id, name, attempt = parsed(press.value)
                self._performer.free(self._performer.known(run_id))
                changed(run_id, lambda run: by_hand(run, name, attempt, who, now, skip=press.action == "step_skip"))
            case "run_abort":
                changed(press.value, lambda run: closed(run, who, now))
            case "run_hand_over":
                changed(press.value, lambda run: taken_over(run, who, now))
            case _:
                pages = self._pages(self._performer.known(press.value))
                changed(press.value, lambda run: _noted(run, pages, now))
        return None

    def _answered(self, press: Press) -> Card | None:
        group = self._ledger.load(press.value)
        runbook = None if group is None else self._library.of(group)
        if group is None or runbook is None:
            raise Refusal(Text("No runbook answers this, or nothing of it fires any more. `/runbook` lists them."))
        run_id = self._records.of_alert(f"{press.value}.{group.serial}.{runbook.name}", self._entropy.token(10))
        there = self._records.load(run_id)
        if there is not None:
            who = Person(there.by)
            return Card(Text("{person} started this runbook {at}; see its card.", person=who, at=there.began))
        run = self._new(runbook, press.actor.person, press.channel, run_id)
        self._records.create(_of_alert(run, press.value, group))
        return None

    # -- jobs --------------------------------------------------------------------------------------------------

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation == OPERATION:
            return misprint_card(job)
        if job.plan.operation == NOTICE:
            text = Text("A message from a runbook") if job.outcome is None else job.outcome.text
            return Card(text, Tone.WARNING, footer=Text("{person}", person=Person(job.plan.actor.person)))
        return self._performer.describe(job)

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        return self._performer.run(work)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        return self._performer.recover(job, reason)

    def lost(self) -> tuple[Job, ...]:
        """Runs live in the state: what was lost with it is lost."""
        return ()


class RunBoard:
    """What the card of each run should say; see the relay's Board. `refuge`: where it goes when its channel is shut."""

    def __init__(self, performer: Performer, misprints: Misprints, refuge: str) -> None:
        self._performer = performer
        self._misprints = misprints
        self._refuge = refuge

    def begin(self, names: Sequence[str]) -> None:
        """Every run has its own card; whether the files are right is looked at now and then."""
        self._misprints.look()

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a run that is gone."""
        run = self._performer.records.load(name)
        if run is None:
            return None
        return Posting(
            channel=run.channel,
            card=run_card(run, self._performer.jobs.holder(run.target, lane(run.id))),
            began=run.began,
            notes=tuple(each.text for each in run.said),
            ended=run.closed,
            urgency=0,
            refuge=self._refuge,
            elsewhere=True,
        )


def _of_alert(run: Run, group_id: str, group: Group) -> Run:
    first = next(iter(group.firing.values()))
    return replace(run, labels=dict(first.labels), alert=first.name, group=group_id, fired=group.began)


def _noted(run: Run, pages: Sequence[Text], now: datetime) -> Run:
    for page in pages:
        run = noted(run, page, now, result=True)
    return run


def _help() -> Card:
    lines = (
        Text("`/runbook` lists the runbooks, `/runbook show NAME` shows one."),
        Text("`/runbook NAME` starts it here: a card with its steps, each with a button."),
        Text("`/runbook runs` lists the newest runs, `/runbook report RUN` writes one down as a timeline."),
        Text("A step that changes something in earnest asks for a code, like `/restore`."),
    )
    return Card(Text("/runbook"), lines=lines)
