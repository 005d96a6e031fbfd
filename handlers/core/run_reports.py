"""The report of a run: a timeline in Markdown, as the beginning of a post-mortem.

- Times are what was recorded; what was not is said to be not known.
- Mitigated: the first step that changed something and passed. Resolved: when the alert was over.
- Words of alerts and of programs are quoted, so that they format nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from handlers.core.attempts import Attempt, StepState
from handlers.core.groups import Group
from handlers.core.runs import Run
from handlers.core.text import cleaned, spelled_seconds, spelled_time

ACTS = frozenset({"rollback", "command"})


def report(run: Run, group: Group | None) -> str:
    """The whole text."""
    return "\n".join((*_head(run, group), "", *_timeline(run, group), "", *_steps(run), "", *_questions())) + "\n"


def _head(run: Run, group: Group | None) -> Iterator[str]:
    yield f"# {_inert(run.runbook.title)}: {run.began:%Y-%m-%d}"
    yield ""
    yield f"- Runbook: `{run.runbook.name}`, version `{run.runbook.version}`, run `{run.id}`"
    if run.alert:
        yield f"- Alert: {_inert(run.alert)}"
    yield f"- Started by {_inert(run.by)}, looked after by {_inert(run.lead)}"
    fired = run.fired
    for name, moment in _marks(run, group).items():
        if moment is None:
            yield f"- Time to {name}: not known"
        elif fired is None:
            yield f"- Time to {name}: {spelled_seconds((moment - run.began).total_seconds())} after the run began"
        else:
            yield f"- Time to {name}: {spelled_seconds((moment - fired).total_seconds())} after the alert fired"


def _marks(run: Run, group: Group | None) -> dict[str, datetime | None]:
    held = None if group is None else group.acknowledged
    acts = [
        attempt.ended
        for step in run.runbook.steps
        if step.kind in ACTS
        for attempt in run.tries(step.name)
        if attempt.state is StepState.PASSED and attempt.ended is not None
    ]
    known = group is not None and run.fired is not None and group.began <= run.began
    return {
        "acknowledge": held.at if held is not None else run.began,
        "mitigate": min(acts, default=None),
        "resolve": group.ended if group is not None and known else None,
    }


def _timeline(run: Run, group: Group | None) -> Iterator[str]:
    yield "## Timeline"
    yield ""
    events: list[tuple[datetime, str]] = [(run.began, f"{_inert(run.by)} started the runbook")]
    if run.fired is not None:
        events.append((run.fired, f"the alert fired: {_inert(run.alert)}"))
    if group is not None and group.acknowledged is not None:
        events.append((group.acknowledged.at, f"{_inert(group.acknowledged.by)} acknowledged the alert"))
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
