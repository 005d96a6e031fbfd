"""Hearings: what Alertmanager has heard of what people wished about a group, as far as is known.

- An acknowledgement is heard while silences of it stand, a silence when it stands, and what was taken back or lifted
  when nothing of it stands any more. A silence ends by itself when its time is over.
- Asked is only where a try failed: what was just pressed is about to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from handlers.core.alerts.groups import LOUD, QUIET, Alert, Group


def wanted(group: Group) -> Mapping[str, Alert]:
    """The silences of its acknowledgement, each named by operation and fingerprint, and the alert that each is on."""
    held = group.acknowledged
    if held is None:
        return {}
    found = ((name, group.alerts.get(name)) for name in held.alerts)
    return {
        f"{held.operation} {name}": alert for name, alert in found if alert is not None and alert.firing and alert.exact
    }


def unwanted(group: Group) -> Mapping[str, None]:
    """Silences that nobody holds any more; when a look is at its end, none of them stands."""
    still = wanted(group)
    return {name: None for name in group.standing if name not in still}


def told(group: Group, news: Mapping[str, datetime | None]) -> Group:
    """The group when these silences stand until then; None: not any more."""
    standing = {name: until for name, until in {**group.standing, **news}.items() if until is not None}
    return replace(group, standing=standing)


def unheard(group: Group, now: datetime) -> str:
    """What Alertmanager may be because it has not heard something: LOUD, QUIET, or empty when it has heard it all."""
    held = frozenset(map(_alert, wanted(group)))
    quiet = {_alert(name) for name, until in group.standing.items() if until > now}
    wishes = [each for each in group.quieted if each.until > now]
    if held - quiet or any(not each.lifted_by and not each.stands for each in wishes):
        return LOUD
    if quiet & group.firing.keys() - held or any(each.lifted_by and each.stands for each in wishes):
        return QUIET
    return ""


def _alert(silence: str) -> str:
    return silence.rpartition(" ")[2]
