"""A job's card: what every job says the same way.

- The title is the state in words; the tone agrees with it. What is not known is never green.
- While it runs: the stage, a bar, how fast, how long still (by the rate so far). When it ended: how, and what to do.
- Its buttons: cancel, while there is time; deny, for whom it waits; and, where the policy has a glass for its asker, to
  break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from handlers.core.words.cards import Button, Card, Fact, Tone
from handlers.core.words.jobs import Job, JobState, Progress
from handlers.core.words.text import Bytes, Code, Person, Seconds, Text

_TONES = {
    JobState.OFFERED: Tone.WARNING,
    JobState.QUEUED: Tone.WORKING,
    JobState.RUNNING: Tone.WORKING,
    JobState.DONE: Tone.GOOD,
    JobState.FAILED: Tone.BAD,
    JobState.CANCELLED: Tone.PLAIN,
    JobState.INTERRUPTED: Tone.UNKNOWN,
    JobState.PAUSED: Tone.WARNING,
    JobState.EXPIRED: Tone.PLAIN,
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What differs between kinds of jobs. `subject` names the job in its titles: "Backup of shop"."""

    subject: Text
    facts: tuple[Fact, ...] = ()
    lines: tuple[Text, ...] = ()
    buttons: tuple[Button, ...] = ()


def job_card(job: Job, wording: Wording) -> Card:
    """The card of a job in its state."""
    lines = wording.lines
    if job.glass:
        who = Person(job.plan.actor.person)
        lines = (*lines, Text("{who} broke the glass to do this alone: {reason}", who=who, reason=job.glass))
    elif job.state is JobState.OFFERED:
        lines = (*lines, *(() if job.frozen is None else (job.frozen,)), *((_agreement(job),) if job.needs else ()))
    if job.outcome is not None:
        lines = (job.outcome.text, *lines)
    elif job.state is JobState.QUEUED:
        lines = (Text("Waiting for a worker."), *lines)
    elif job.progress is not None:
        lines = (_progress_line(job.progress), *lines)
    elif job.state is JobState.RUNNING:
        lines = (Text("Just begun."), *lines)
    if job.cancelled_by is not None and not job.state.final:
        lines = (*lines, Text("{person} asked to cancel.", person=Person(job.cancelled_by)))
    return Card(
        title=_title(job, wording.subject),
        tone=_tone(job),
        lines=lines,
        facts=wording.facts,
        progress=_share(job),
        buttons=(*wording.buttons, *_deny(job), *_glass(job), *_cancel(job)),
        footer=_footer(job),
    )


def _agreement(job: Job) -> Text:
    """Who confirmed it, and how many more must."""
    asker = Person(job.plan.actor.person)
    if not job.confirmed_by:
        return Text("First {asker} confirms it, then {needs} more must agree.", asker=asker, needs=job.needs)
    left = job.needs + 1 - len(job.confirmed_by)
    said = Text("{asker} confirmed it.", asker=asker)
    for each in job.confirmed_by[1:]:
        said = Text("{said} {person} agreed.", said=said, person=Person(each))
    return Text("{said} {left} more must agree, with their own code.", said=said, left=max(1, left))


def _title(job: Job, subject: Text) -> Text:
    match job.state:
        case JobState.OFFERED:
            return Text("{subject}?", subject=subject)
        case JobState.QUEUED:
            return Text("{subject}: waiting", subject=subject)
        case JobState.RUNNING:
            return Text("{subject}: running", subject=subject)
        case JobState.DONE:
            return Text("{subject}: done", subject=subject)
        case JobState.FAILED:
            return Text("{subject}: failed", subject=subject)
        case JobState.CANCELLED:
            return Text("{subject}: cancelled", subject=subject)
        case JobState.INTERRUPTED:
            return Text("{subject}: interrupted", subject=subject)
        case JobState.PAUSED:
            return Text("{subject}: paused", subject=subject)
        case JobState.EXPIRED:
            return Text("{subject}: not confirmed", subject=subject)
        case _:
            assert_never(job.state)


def _tone(job: Job) -> Tone:
    warned = job.outcome is not None and bool(job.outcome.facts.get("warning"))
    return Tone.WARNING if warned and job.state is JobState.DONE else _TONES[job.state]


def _progress_line(progress: Progress) -> Text:
    if not progress.done_bytes:
        return Text("{stage}…", stage=progress.stage)
    if not progress.total_bytes or not progress.bytes_per_second:
        return Text("{stage}: {done} so far", stage=progress.stage, done=Bytes(progress.done_bytes))
    left = max(progress.total_bytes - progress.done_bytes, 0) / progress.bytes_per_second
    return Text(
        "{stage}: {done} of about {total}, {rate} a second, about {left} left",
        stage=progress.stage,
        done=Bytes(progress.done_bytes),
        total=Bytes(progress.total_bytes),
        rate=Bytes(progress.bytes_per_second),
        left=Seconds(left),
    )


def _share(job: Job) -> float | None:
    progress = job.progress
    if job.state is not JobState.RUNNING or progress is None or not progress.total_bytes:
        return None
    # The total is an estimate: the bar stops short of the end until the job says it is done.
    return min(progress.done_bytes / progress.total_bytes, 0.99)


def _deny(job: Job) -> tuple[Button, ...]:
    if job.state is not JobState.OFFERED or not job.needs or job.glass:
        return ()
    return (Button("access_deny", Text("Deny…"), job.id),)


def _glass(job: Job) -> tuple[Button, ...]:
    if job.state is not JobState.OFFERED or not job.alone or job.glass:
        return ()
    return (Button("access_glass", Text("Emergency: go on alone"), job.id, danger=True),)


def _cancel(job: Job) -> tuple[Button, ...]:
    if job.state.final or job.settled or job.cancelled_by is not None:
        return ()
    if job.state is JobState.OFFERED:
        return (Button("job_cancel", Text("Never mind"), job.id),)
    question = Text("Stop it? Nothing has been changed yet.")
    return (Button("job_cancel", Text("Cancel"), job.id, danger=True, question=question),)


def _footer(job: Job) -> Text:
    who = Person(job.plan.actor.person)
    if job.ended is not None and job.started is not None:
        took = Seconds((job.ended - job.started).total_seconds())
        return Text("{who} · {time} · took {took} · job {id}", who=who, time=job.created, took=took, id=Code(job.id))
    return Text("{who} · {time} · job {id}", who=who, time=job.created, id=Code(job.id))


def busy(holder: Job) -> Text:
    """Who is at work, for the second who asks."""
    return Text(
        "{person} started {operation} on {target} at {time}; it is not finished. One at a time.",
        person=Person(holder.plan.actor.person),
        operation=Code(holder.plan.operation.replace(".", " ")),
        target=Code(holder.target),
        time=holder.created,
    )
