"""Escalations: who is called when nobody acknowledged something critical.

- A step is a number of minutes and whom to mention: a user group or a person. Each step is taken once a round.
- A step of no minutes belongs to a route: it is taken when the card is there, whatever the severity.
- What is acknowledged, over, silenced or held back calls nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers.core.alerts.groups import Group
from handlers.core.alerts.ledger import noted
from handlers.core.words.text import Crew, Person, Text


@dataclass(frozen=True, slots=True)
class Step:
    """After so many minutes without an acknowledgement, `mention` is called: an id of a person or a user group."""

    minutes: int
    mention: str


def escalated(group: Group, steps: tuple[Step, ...], now: datetime) -> Group:
    """The group after every step that is due now; the thread calls whom they name."""
    if group.over or group.unclear or group.acknowledged is not None:
        return group
    if all(each.hush is not None for each in group.firing.values()):
        return group
    waited = now - group.began
    due = [
        step
        for step in steps[group.reminded :]
        if not step.minutes or (group.severity == "critical" and waited >= timedelta(minutes=step.minutes))
    ]
    for step in due:
        group = noted(group, _said(step))
    return replace(group, reminded=group.reminded + len(due)) if due else group


def _said(step: Step) -> Text:
    who = Crew(step.mention) if step.mention.startswith("S") else Person(step.mention)
    if not step.minutes:
        return Text("{who} this is for you.", who=who)
    return Text(
        "{who} this is critical, and nobody acknowledged it for {minutes} minutes.", who=who, minutes=step.minutes
    )
