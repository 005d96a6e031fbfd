"""/runbook: what to look at and what to do, step by step, each step with a button that works tomorrow too.

- `/runbook` lists, `show NAME` shows, `NAME` starts a run, `runs` lists runs, `report RUN` writes one down. An alert's
  button starts the runbook that answers it; two who press get one run.
- Running a step is a job of the desk in a lane of the run, shown by the run's card (handlers/performing.py).
- What is done by hand, left out, ended or handed over asks first (handlers/handwork.py), and is a compare-and-set on
  the run; the slower click is told why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from handlers.beginnings import Beginnings, episode, of_alert
from handlers.core.alerts.handlings import Handling, joined
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.misprints import OPERATION, Misprints, misprint_card
from handlers.core.runbooks.run_acts import reported
from handlers.core.runbooks.run_cards import run_card, shown_card, summary
from handlers.core.runbooks.run_reports import report
from handlers.core.runbooks.runbooks import Runbook
from handlers.core.runbooks.runs import Run, Said
from handlers.core.words.answers import Confirm, Invocation, Press, Reply, Start, Surface
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, Outcome
from handlers.core.words.postings import Document, Posting
from handlers.core.words.text import Code, Lines, Person, Text
from handlers.handwork import Handwork
from handlers.performing import OPERATIONS, Performer, lane

NOTICE = "runbook.notice"
LISTED = 15
PAGE = 2300


class RunbookHandler:
    """See the module; a Handler, and what stands behind the buttons of runs."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        **{operation: permission for permission, operation in OPERATIONS.items()},
    }
    asking: frozenset[str] = Handwork.asking
    presses: Mapping[str, Permission] = {
        "alert_runbook": Permission.OPERATE,
        "step_run": Permission.READ,
        **Handwork.presses,
        "run_report": Permission.READ,
    }

    def __init__(self, beginnings: Beginnings, performer: Performer, handwork: Handwork) -> None:
        self._handwork = handwork
        self._beginnings = beginnings
        self._library = beginnings.library
        self._ledger = beginnings.ledger
        self._entropy = beginnings.entropy
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
                return Reply(self._report(run_id, invocation))
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
        who, run_id = invocation.actor.person, self._entropy.token(10)
        self._records.create(self._beginnings.run(runbook, who, invocation.channel, run_id, self._clock.now()))
        return Card(Text("{title} is started; its card is in this channel.", title=runbook.title))

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
                state=Text("over") if each.over is not None else Text("open"),
                person=Person("itself" if each.itself else each.by),
                at=each.began,
            )
            for each in self._records.all()[:LISTED]
        ]
        return Card(Text("The newest runs"), lines=tuple(lines) or (Text("None in the last 30 days."),))

    def _report(self, run_id: str, invocation: Invocation) -> Card:
        """In the terminal it is printed; in Slack it is put into the run's thread."""
        run, who = self._performer.known(run_id), invocation.actor
        if who.surface is Surface.TERMINAL:
            return Card(Text("Report of run {id}", id=Code(run.id)), lines=self._pages(run))
        self._performer.changed(run_id, lambda run: reported(run, who.person, self._clock.now()))
        return Card(Text("The report of run {id} comes into its thread as a file.", id=Code(run.id)))

    def _pages(self, run: Run) -> tuple[Text, ...]:
        written = report(run, self._ledger.load(run.group) if run.group else None)
        pages = [""]
        for line in written.splitlines():
            if pages[-1] and len(pages[-1]) + len(line) > PAGE:
                pages.append("")
            pages[-1] += line[:PAGE] + "\n"
        return tuple(Text("{page}", page=Lines(each)) for each in pages)

    # -- buttons -----------------------------------------------------------------------------------------------

    def press(self, press: Press) -> Card | Form | Start | Confirm | None:
        """See Pressable."""
        match press.action:
            case "alert_runbook":
                return self._answered(press)
            case "step_run":
                return self._performer.pressed(press)
            case "run_report":
                who = press.actor.person
                self._performer.changed(press.value, lambda run: reported(run, who, self._clock.now()))
                return None
            case _:
                return self._handwork.press(press)

    def _answered(self, press: Press) -> Card | None:
        group = self._ledger.load(press.value)
        runbook = None if group is None else self._library.of(group)
        if group is None or runbook is None:
            raise Refusal(Text("No runbook answers this, or nothing of it fires any more. `/runbook` lists them."))
        run_id = self._records.of_alert(f"{episode(press.value, group)}.{runbook.name}", self._entropy.token(10))
        there = self._records.load(run_id)
        if there is not None:
            who = Person(there.by)
            told = Text("{person} started this runbook {at}; see its card.", person=who, at=there.began)
            itself = Text("This runbook began by itself {at}; see its card.", at=there.began)
            return Card(itself if there.itself else told)
        run = self._beginnings.run(runbook, press.actor.person, press.channel, run_id, self._clock.now())
        self._records.create(of_alert(run, press.value, group, next(iter(group.firing.values()))))
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
        """See Handler."""
        return self._performer.lost()


class RunBoard:
    """What the card of each run should say; see the relay's Board. `refuge`: where it goes when its channel is shut."""

    def __init__(self, performer: Performer, ledger: Ledger, misprints: Misprints, refuge: str) -> None:
        self._performer = performer
        self._ledger = ledger
        self._misprints = misprints
        self._refuge = refuge

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """Every run has its own card; whether the files are right is looked at now and then."""
        self._misprints.look()
        return {}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a run that is gone."""
        run = self._performer.records.load(name)
        if run is None:
            return None
        self._tell(run, "")
        return Posting(
            channel=run.channel,
            card=run_card(run, self._performer.jobs.holder(run.target, lane(run.id))),
            began=run.began,
            notes=tuple(self._note(run, number, each) for number, each in enumerate(run.said)),
            ended=run.closed,
            urgency=0,
            refuge=self._refuge,
            elsewhere=True,
        )

    def _note(self, run: Run, number: int, said: Said) -> Text | Document:
        if said.output:
            return self._output(run, said)
        if not said.report:
            return said.text
        group = self._ledger.load(run.group) if run.group else None
        title = Text("Report of {title}, run {id}", title=run.runbook.title, id=run.id)
        return Document(f"{run.runbook.name}-{run.id}-{number}.md", title, report(run, group))

    def _output(self, run: Run, said: Said) -> Text | Document:
        kept = self._performer.records.output(run.id, said.output)
        if kept is None:
            return Text("{title} is not kept any more.", title=said.text)
        return Document(f"{run.runbook.name}-{run.id}-{said.output.replace('/', '-')}.txt", said.text, kept)

    def placed(self, name: str, channel: str, address: str) -> None:
        """The alert's card leads to the run's."""
        run = self._performer.records.load(name)
        if run is not None:
            self._tell(run, address)

    def _tell(self, run: Run, address: str) -> None:
        """The alert's group knows how far the run is."""
        if run.group:
            told = handling_of(run, address)
            self._ledger.change(run.group, lambda each: replace(each, handled=joined(each.handled, told)))


def handling_of(run: Run, address: str) -> Handling:
    """What an alert's card says of a run. Attempts are never taken back, so their number tells newer from older."""
    tries = [each for tries in run.attempts.values() for each in tries]
    turns = sum(1 if each.state is StepState.RUNNING else 2 for each in tries)
    return Handling(run.id, run.runbook.title, run.by, run.began, summary(run), turns, run.over, address)


def _help() -> Card:
    lines = (
        Text("`/runbook` lists the runbooks, `/runbook show NAME` shows one."),
        Text("`/runbook NAME` starts it here: a card with its steps, each with a button."),
        Text("`/runbook runs` lists the newest runs, `/runbook report RUN` puts its report into its thread."),
        Text("A step that changes something in earnest asks for a code, like `/restore`."),
    )
    return Card(Text("/runbook"), lines=lines)
