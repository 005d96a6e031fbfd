"""The report of a run: a timeline in Markdown, as the beginning of a post-mortem.

- Times are what was recorded; what was not is said to be not known.
- Mitigated: the first step that changed something and passed. Resolved: when the alert was over.
- Words of alerts and of programs are quoted, so that they format nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from handlers.core.alerts.groups import Group
from handlers.core.runbooks.attempts import Attempt, StepState
from handlers.core.runbooks.runs import Run
from handlers.core.words.text import cleaned, spelled_seconds, spelled_time

ACTS = frozenset({"rollback", "command"})


def report(run: Run, group: Group | None) -> str:
    """The whole text."""
    found = (*_steps(run), *_pictures(run, group))
    return "\n".join((*_head(run, group), "", *_timeline(run, group), "", *found, "", *_questions())) + "\n"


def _head(run: Run, group: Group | None) -> Iterator[str]:
    yield f"# {_inert(run.runbook.title)}: {run.began:%Y-%m-%d}"
    yield ""
    yield f"- Runbook: `{run.runbook.name}`, version `{run.runbook.version}`, run `{run.id}`"
    if run.alert:
        yield f"- Alert: {_inert(run.alert)}"
    began = "Began by itself" if run.itself else f"Started by {_inert(run.by)}"
    yield f"- {began}, looked after by {'nobody' if run.itself and run.lead == run.by else _inert(run.lead)}"
    fired = run.fired
    for name, moment in _marks(run, group).items():
        if moment is None:
            yield f"- Time to {name}: not known"
        elif fired is None:
            yield f"- Time to {name}: {spelled_seconds((moment - run.began).total_seconds())} after the run began"
        else:
            yield f"- Time to {name}: {spelled_seconds((moment - fired).total_seconds())} after the alert fired"


def _marks(run: Run, group: Group | None) -> dict[str, datetime | None]:
    held = _acknowledged(run, group)
    acts = [
        attempt.ended
        for step in run.runbook.steps
        if step.kind in ACTS
        for attempt in run.tries(step.name)
        if attempt.state is StepState.PASSED and attempt.ended is not None
    ]
    return {
        "acknowledge": held[1] if held is not None else _touched(run),
        "mitigate": min(acts, default=None),
        "resolve": group.ended if group is not None and _same_round(run, group) else None,
    }


def _acknowledged(run: Run, group: Group | None) -> tuple[str, datetime] | None:
    """Who acknowledged the alert that this run is of first; None when nobody did, or it is another round's."""
    return group.answered if group is not None and _same_round(run, group) else None


def _same_round(run: Run, group: Group) -> bool:
    return run.fired is not None and group.began <= run.began


def _touched(run: Run) -> datetime | None:
    """When a person first did something with it."""
    if not run.itself:
        return run.began
    people = [each.began for tries in run.attempts.values() for each in tries if each.who != run.by]
    return min(people, default=None)


def _timeline(run: Run, group: Group | None) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    events: list[tuple[datetime, str]] = [
        (run.began, "the runbook began by itself" if run.itself else f"{_inert(run.by)} started the runbook")
    ]
    if run.fired is not None:
        events.append((run.fired, f"the alert fired: {_inert(run.alert)}"))
    held = _acknowledged(run, group)
    if held is not None:
        events.append((held[1], f"{_inert(held[0])} acknowledged the alert"))
    if group is not None and group.ended is not None:
        events.append((group.ended, "nothing of the alert fires any more"))
    events += [(each.at, _inert(str(each.text))) for each in run.said if not each.result]
    for number, step in enumerate(run.runbook.steps, 1):
        for attempt in run.tries(step.name):
            took = "" if attempt.ended is None else spelled_seconds((attempt.ended - attempt.began).total_seconds())
            said = f"{number}. {_inert(step.title)}: **{attempt.state.value.upper()}** by {_inert(attempt.who)}"
            events.append((attempt.began, f"{said}{f', {took}' if took else ''}. {_inert(str(attempt.text))}"))
    for at, said in sorted(events):
        yield f"- {spelled_time(at)} {said}"


def _steps(run: Run) -> Iterator[str]:
    yield "## What was found"
    yield ""
    yield "| step | last verdict | facts |"
    yield "|---|---|---|"
    for number, step in enumerate(run.runbook.steps, 1):
        last = run.last(step.name)
        facts = "" if last is None else "; ".join(f"{label}: {value}" for label, value in last.facts)
        yield f"| {number}. {_inert(step.title)} | {_verdict(run, step.name, last)} | {_inert(facts)} |"


def _pictures(run: Run, group: Group | None) -> Iterator[str]:
    """The files in the chat that show what was measured, by their ids there."""
    found = []
    if group is not None and group.picture and _same_round(run, group):
        found.append(f"- `{group.picture}`: what the alert measured")
    for number, step in enumerate(run.runbook.steps, 1):
        found += [
            f"- `{each.picture}`: {number}. {_inert(step.title)}, {spelled_time(each.began)}"
            for each in run.tries(step.name)
            if each.picture
        ]
    if found:
        yield from ("", "## Pictures in Slack", "", *found)


def _verdict(run: Run, name: str, last: Attempt | None) -> str:
    if last is not None:
        return last.state.value
    return "not needed" if run.needed(run.step(name)) is False else "not done"


def _questions() -> Iterator[str]:
    yield "## To be written by people"
    yield ""
    yield "What did users see? What was the cause? What went well, what was luck? What will be changed, by whom, when?"


def _inert(words: str) -> str:
    """Words that format nothing in Markdown and break no table."""
    shown = cleaned(words, 400)
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>#|!~" else each for each in shown)
