"""Readiness: what the scorecard asks that no section looks at: the rules that wake people, CI, and the first runbook.

- A rule counts when Prometheus has loaded it and evaluates it; that it can fire is shown by its tests.
- A CI job counts when it reported within a month, whatever it found.
- Whether `.env` is in somebody's repository nobody can see from here: it is not known, with what to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import AlertRules
from handlers.core.ports import Clock
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Seconds, Text

RULES = ("SlowResponses", "ServerErrors", "DatabaseDiskLow")
RUNBOOK = "quick-triage"
REPORTED = timedelta(days=31)
SOURCE = "Prometheus' rules"


@dataclass(frozen=True, slots=True)
class Triage:
    """The first runbook. `there`: it can be used; `rollback`: its rollback is configured."""

    there: bool
    rollback: bool


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """See the module. `reports`: when CI jobs reported, None without a webhook."""

    rules: AlertRules | None
    reports: Callable[[], Mapping[str, datetime]] | None
    triage: Callable[[], Triage]
    clock: Clock

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError without the state."""
        return (*self._rules(seconds), self._ci(), self._runbook(), _env())

    def _rules(self, seconds: float) -> Iterator[Finding]:
        try:
            loaded = None if self.rules is None else self.rules.loaded(seconds / 2)
        except OutsideError as error:
            yield from (unknown(f"rule {name}", error.text, source=SOURCE) for name in RULES)
            return
        for name in RULES:
            title = f"rule {name}"
            if loaded is None:
                text = Text("Whether the rule {name} is loaded is not known: set PROMETHEUS_URL.", name=Code(name))
                yield unknown(title, text, source=SOURCE)
            elif name not in loaded:
                text = Text("Prometheus has no rule {name}.", name=Code(name))
                yield failed(title, text, limit="loaded", source=SOURCE)
            elif loaded[name] == "ok":
                yield passed(title, Text("Prometheus evaluates {name}.", name=Code(name)), value="ok", source=SOURCE)
            elif loaded[name] == "err":
                text = Text("Prometheus cannot evaluate {name}.", name=Code(name))
                yield failed(title, text, value="err", limit="ok", source=SOURCE)
            else:
                text = Text("Prometheus has not evaluated {name} yet.", name=Code(name))
                yield unknown(title, text, source=SOURCE)

    def _ci(self) -> Finding:
        name = "CI reports"
        if self.reports is None:
            return failed(name, Text("CI jobs have nowhere to report to: WEBHOOK_TOKEN is not set."), source="settings")
        newest = max(self.reports().items(), key=lambda each: each[1], default=None)
        if newest is None:
            return unknown(name, Text("No CI job has reported yet."), source="the CI webhook")
        age = self.clock.now() - newest[1]
        text = Text("{repo} reported {age} ago.", repo=Code(newest[0]), age=Seconds(age.total_seconds()))
        made = passed if age <= REPORTED else failed
        return made(name, text, limit=f"{REPORTED.days} days", source="the CI webhook")

    def _runbook(self) -> Finding:
        found = self.triage()
        if not found.there:
            text = Text("The runbook {name} cannot be used.", name=Code(RUNBOOK))
            return failed("first runbook", text, source="the runbooks")
        if not found.rollback:
            text = Text("The runbook {name} has no rollback: ROLLBACK_COMMAND is not set.", name=Code(RUNBOOK))
            return failed("first runbook", text, source="the runbooks")
        text = Text("The runbook {name} is there, with its rollback.", name=Code(RUNBOOK))
        return passed("first runbook", text, source="the runbooks")


def _env() -> Finding:
    text = Text("Whether `.env` is in version control nobody can see from here.")
    return unknown("environment file", text, source="nobody")
