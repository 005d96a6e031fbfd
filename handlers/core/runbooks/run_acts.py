"""What becomes of a run without a job: done by hand, left out, ended, handed over, reported. Its thread is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from handlers.core.runbooks.attempts import Attempt, StepState
from handlers.core.runbooks.runs import MOST_SAID, Run, Said, noted, permitted, still_open, tried
from handlers.core.words.answers import PersonId
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Person, Text

AGAIN = timedelta(minutes=1)


def by_hand(run: Run, name: str, attempt: int, who: PersonId, now: datetime, *, skip: bool, note: str = "") -> Run:
    """Done, or skipped, by a person, with what they said. Raises Refusal."""
    step = permitted(run, name, attempt)
    current = run.current
    if current is None or current.name != name:
        raise Refusal(Text("{title} is not open any more.", title=step.title))
    if not skip and step.kind != "manual":
        raise Refusal(Text("{title} is something I do: press Run, or Skip.", title=step.title))
    state, text = (StepState.SKIPPED, Text("Left out.")) if skip else (StepState.DONE, Text("Done by hand."))
    if note:
        text = Text("Left out: {note}", note=note) if skip else Text("Done by hand: {note}", note=note)
    run = tried(run, name, Attempt(state, who, now, ended=now, text=text))
    told = Text(
        "{number}. {title}: {person}. {text}", number=run.number(name), title=step.title, person=Person(who), text=text
    )
    return noted(run, told, now, result=True)


def closed(run: Run, who: PersonId, now: datetime, why: str = "") -> Run:
    """Ended; a step that runs comes to its end. Raises Refusal."""
    still_open(run)
    told = Text("{person} ended the run.", person=Person(who))
    if why:
        told = Text("{person} ended the run: {why}", person=Person(who), why=why)
    return noted(replace(run, closed=now, closed_by=who, why=why), told, now)


def unfit(run: Run, name: str, why: Text, now: datetime) -> Run:
    """The step that would run by itself cannot: what it would find is not known."""
    if run.unasked is None or run.unasked.name != name:
        return run
    return tried(run, name, Attempt(StepState.UNKNOWN, run.by, now, ended=now, text=why))


def handed_over(run: Run, to: PersonId, by: PersonId, before: PersonId, now: datetime) -> Run:
    """Another person looks after it, and is called. `before`: who did when it was asked. Raises Refusal."""
    still_open(run)
    if run.lead == to:
        raise Refusal(Text("{person} looks after this run already.", person=Person(to)))
    if run.lead != before:
        raise Refusal(Text("{person} looks after this run since. Look at its card first.", person=Person(run.lead)))
    told = Text("{to}, {by} hands this run over to you.", to=Person(to), by=Person(by))
    if to == by:
        told = Text("{to} took over from {before}.", to=Person(to), before=Person(before))
    return noted(replace(run, lead=to), told, now)


def reported(run: Run, who: PersonId, now: datetime) -> Run:
    """Its report is wanted in the thread. Raises Refusal."""
    if run.said and run.said[-1].report and now - run.said[-1].at < AGAIN:
        raise Refusal(Text("The report was put into the thread of the run just now."))
    if len(run.said) >= MOST_SAID:
        raise Refusal(Text("The thread of this run is full. `python -m bot runbook report {id}` prints it.", id=run.id))
    return replace(
        run, said=(*run.said, Said(now, Text("{person} wanted the report.", person=Person(who)), report=True))
    )
