"""The words of a run: its card, and how a runbook reads before it is run.

- One line for each step: mark, number, title, who, when, verdict. What is not known is never green.
- Buttons only for what may happen now; each carries run, step and attempt, so that an old one is known as old.
"""

from __future__ import annotations

from collections.abc import Iterable

from handlers.core.runbooks.attempts import VERDICTS, Attempt, StepState
from handlers.core.runbooks.openings import Opening
from handlers.core.runbooks.runbooks import Runbook, Step
from handlers.core.runbooks.runs import Run
from handlers.core.words.cards import Button, Card, Fact, Picture, Tone
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Person, Seconds, Text

MARKS = {
    StepState.RUNNING: "⏳",
    StepState.PASSED: "✅",
    StepState.FAILED: "❌",
    StepState.UNKNOWN: "❔",
    StepState.INTERRUPTED: "⚡",
    StepState.DONE: "☑️",
    StepState.SKIPPED: "⏭️",
}
SHOWN_FACTS = 8


def run_card(run: Run, waiting: Job | None) -> Card:
    """What the run's message says now. `waiting`: a job of it that holds its lane."""
    waits = waiting if run.running is None and run.closed is None else None
    return Card(
        title=_title(run),
        tone=_tone(run),
        lines=tuple(_lines(run, waits)),
        facts=tuple(_facts(run)),
        buttons=() if run.closed is not None else tuple(_buttons(run, busy=waits is not None)),
        picture=_picture(run),
        footer=Text(
            "{name} · version {version} · run {id}",
            name=Code(run.runbook.name),
            version=Code(run.runbook.version),
            id=Code(run.id),
        ),
    )


def picture_words(step: Step, attempt: Attempt) -> Text:
    """What a picture of an attempt shows, for who does not see it."""
    return Text("A plot of {title} in the hour before {at}", title=step.title, at=attempt.ended or attempt.began)


def _picture(run: Run) -> Picture | None:
    """The newest."""
    found = [(each, step) for step in run.runbook.steps for each in run.tries(step.name) if each.picture]
    if not found:
        return None
    attempt, step = max(found, key=lambda pair: pair[0].began)
    return Picture(attempt.picture, picture_words(step, attempt))


def value_of(run: Run, step: Step) -> str:
    """What a step's buttons carry."""
    return f"{run.id}/{step.name}/{run.next_attempt(step.name)}"


def _title(run: Run) -> Text:
    title = run.runbook.title
    if run.closed is not None:
        return Text("{title}: ended", title=title)
    if run.running is not None:
        return Text("{title}: step {number} runs", title=title, number=run.number(run.running.name))
    current = run.current
    if current is None:
        return Text("{title}: done", title=title)
    return Text(
        "{title}: step {number} of {count}",
        title=title,
        number=run.number(current.name),
        count=len(run.runbook.steps),
    )


def summary(run: Run) -> Text:
    """How far it is, or what came of it, for the card of the alert it answers."""
    count = len(run.runbook.steps)
    step = run.running or run.current
    if run.closed is None and step is not None:
        number = run.number(step.name)
        if run.running is not None:
            return Text("step {number} of {count} runs", number=number, count=count)
        return Text("step {number} of {count} is next", number=number, count=count)
    lasts = [last.state.value for step in run.runbook.steps if (last := run.last(step.name)) is not None]
    verdicts = ", ".join(f"{lasts.count(each)} {each}" for each in dict.fromkeys(lasts)) or "nothing was done"
    if run.closed is not None:
        who = Person(run.closed_by or "")
        return Text("ended by {person}: {verdicts}", person=who, verdicts=verdicts)
    return Text("done: {verdicts}", verdicts=verdicts)


def _tone(run: Run) -> Tone:
    if run.closed is not None:
        return Tone.PLAIN
    if run.current is not None or run.running is not None:
        return Tone.WORKING
    # The newest look at the same thing counts: a failure that a later step shows to be repaired is past.
    newest: dict[str, StepState] = {}
    for step in run.runbook.steps:
        last = run.last(step.name)
        if last is not None and run.needed(step):
            newest[f"{step.kind} {sorted(step.arguments.items())}"] = last.state
    states = set(newest.values())
    if states & {StepState.FAILED, StepState.INTERRUPTED}:
        return Tone.BAD
    return Tone.UNKNOWN if StepState.UNKNOWN in states else Tone.GOOD


def _lines(run: Run, waits: Job | None) -> Iterable[Text]:
    if run.runbook.text and not run.attempts:
        yield Text("{text}", text=run.runbook.text)
    current = run.current
    for number, step in enumerate(run.runbook.steps, 1):
        here = current is not None and current.name == step.name and run.closed is None
        yield _line(run, number, step, here=here, waits=waits)
    if current is not None and current.text and run.closed is None:
        yield Text("{title}: {text}", title=current.title, text=current.text)
    if run.closed is not None:
        ended = Text("{person} ended it {at}.", person=Person(run.closed_by or ""), at=run.closed)
        yield Text("{ended} {why}", ended=ended, why=run.why) if run.why else ended


def _line(run: Run, number: int, step: Step, *, here: bool, waits: Job | None) -> Text:
    last = run.last(step.name)
    if waits is not None and waits.plan.arguments.get("step") == step.name:
        return Text(
            "⏳ {number}. {title}: {person} pressed; it waits for a worker",
            number=number,
            title=step.title,
            person=Person(waits.plan.actor.person),
        )
    if last is not None:
        return _tried(run, number, step, last)
    if run.needed(step) is False:
        return Text("➖ {number}. {title}: not needed", number=number, title=step.title)
    return Text("{mark} {number}. {title}", mark="👉" if here else "▫️", number=number, title=step.title)


def _tried(run: Run, number: int, step: Step, last: Attempt) -> Text:
    tries = len(run.tries(step.name))
    head = Text("{mark} {number}. {title}", mark=MARKS[last.state], number=number, title=step.title)
    if tries > 1:
        head = Text("{head} (try {tries})", head=head, tries=tries)
    if last.state is StepState.RUNNING:
        return Text("{head}: {person} runs it since {at}", head=head, person=Person(last.who), at=last.began)
    took = Seconds(((last.ended or last.began) - last.began).total_seconds())
    if last.job:
        return Text(
            "{head}: {verdict}. {text} ({person}, {at}, took {took})",
            head=head,
            verdict=VERDICTS[last.state],
            text=last.text,
            person=Person(last.who),
            at=last.began,
            took=took,
        )
    return Text("{head}: {text} ({person}, {at})", head=head, text=last.text, person=Person(last.who), at=last.began)


def _facts(run: Run) -> Iterable[Fact]:
    if run.alert:
        yield Fact(Text("Alert"), Text("{alert}", alert=run.alert))
    if run.itself:
        yield Fact(Text("Began by itself"), Text("{at}", at=run.began))
    else:
        yield Fact(Text("Started by"), Text("{person}, {at}", person=Person(run.by), at=run.began))
    if run.lead != run.by:
        yield Fact(Text("Looked after by"), Text("{person}", person=Person(run.lead)))
    newest: Attempt | None = None
    for step in run.runbook.steps:
        last = run.last(step.name)
        if last is not None and last.facts and (newest is None or last.began >= newest.began):
            newest = last
    for label, value in () if newest is None else newest.facts[:SHOWN_FACTS]:
        yield Fact(Text("{label}", label=label), Text("{value}", value=value))


def _buttons(run: Run, *, busy: bool) -> Iterable[Button]:
    current = run.current
    if run.running is None and not busy:
        if current is not None:
            yield from _current(run, current)
        for step in run.runbook.steps:
            if step is not current and run.again(step) and run.last(step.name) is not None:
                label = Text("Again: {number}", number=run.number(step.name))
                yield Button("step_run", label, value_of(run, step))
    yield Button("run_hand_over", Text("Hand over…"), run.id)
    yield Button("run_report", Text("Report"), run.id)
    yield Button("run_abort", Text("End run…"), run.id)


def _current(run: Run, step: Step) -> Iterable[Button]:
    value, number = value_of(run, step), run.number(step.name)
    if step.kind == "manual":
        yield Button("step_done", Text("Done: {number}…", number=number), value, primary=True)
    else:
        if run.last(step.name) is None:
            words = Text("Run: {number}…", number=number) if step.confirm else Text("Run: {number}", number=number)
        elif step.confirm:
            words = Text("Run again: {number}…", number=number)
        else:
            words = Text("Run again: {number}", number=number)
        yield Button("step_run", words, value, primary=not step.confirm, danger=step.confirm)
    yield Button("step_skip", Text("Skip: {number}…", number=number), value)


def shown_card(runbook: Runbook) -> Card:
    """`/runbook show NAME`: as a person will see it, before it is run."""
    lines = [Text("{text}", text=runbook.text)] if runbook.text else []
    for number, step in enumerate(runbook.steps, 1):
        parts = [Text("{number}. {title} ({kind})", number=number, title=step.title, kind=step.kind)]
        if step.confirm:
            parts.append(Text("after a code"))
        if step.when:
            parts.append(Text("only when {when}", when=_conditions(step)))
        if step.goes_on:
            parts.append(Text("a failure holds up nothing"))
        line = parts[0]
        for part in parts[1:]:
            line = Text("{line} · {part}", line=line, part=part)
        lines.append(line)
        if step.text:
            lines.append(Text("{text}", text=step.text))
        if step.arguments:
            spelled = ", ".join(f"{name}={value}" for name, value in step.arguments.items())
            lines.append(Text("{arguments}", arguments=Code(spelled[:250])))
    answers = "; ".join(", ".join(f"{label}={value}" for label, value in each.items()) for each in runbook.answers)
    facts = (Fact(Text("Answers"), Text("{answers}", answers=Code(answers))),) if answers else ()
    if runbook.opening is not None:
        facts = (*facts, Fact(Text("Begins by itself"), _opened(runbook.opening)))
    footer = Text("version {version} · `/runbook {name}` starts it", version=Code(runbook.version), name=runbook.name)
    return Card(Text("{title}", title=runbook.title), lines=tuple(lines), facts=facts, footer=footer)


def _conditions(step: Step) -> str:
    return ", ".join(f"{name} is {' or '.join(verdicts)}" for name, verdicts in step.when.items())


def _opened(opening: Opening) -> Text:
    return Text(
        "at severity {severity} or worse; {steps} then run by themselves, at most {most} runs at a time, {minutes} "
        "minutes apart",
        severity=opening.severity,
        steps=Code(", ".join(opening.steps)),
        most=opening.most_open,
        minutes=opening.quiet_minutes,
    )
