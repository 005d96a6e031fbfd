"""How a run is made: from a runbook, for somebody, in a channel, perhaps from an alert."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from handlers.core.alerts.groups import Alert, Group
from handlers.core.alerts.ledger import Ledger
from handlers.core.ports import Entropy
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.runbooks import Runbook
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import PersonId, TargetName


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What a run is made from."""

    library: Library
    ledger: Ledger
    entropy: Entropy
    target: TargetName

    def run(self, runbook: Runbook, person: PersonId, channel: str, run_id: str, now: datetime) -> Run:
        """One of no alert."""
        return Run(id=run_id, runbook=runbook, target=self.target, channel=channel, by=person, lead=person, began=now)


def of_alert(run: Run, group_id: str, group: Group, alert: Alert) -> Run:
    """The same, from an alert of a group."""
    return replace(run, labels=dict(alert.labels), alert=alert.name, group=group_id, fired=group.began)


def episode(group_id: str, group: Group) -> str:
    """The name of this round of a group's alerts."""
    return f"{group_id}.{group.serial}"
