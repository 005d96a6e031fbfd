"""The indicators of the service, by Prometheus: answers, errors, requests, processor, memory, disk.

- Questions are data: the default ones fit prom-client, node_exporter and cAdvisor; HEALTH_QUERIES replaces them.
- The picture has a panel for each question; questions with the same word in `panel`, one after the other, share one.
- The worst series counts. No series, or one that is no number, is UNKNOWN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers.core.alerts.plots import Curve, Panel
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.runbooks.probes import Metrics, PastMetrics, Sample
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text, spelled_bytes, spelled_seconds

UNITS = ("seconds", "share", "bytes", "rate", "count")
_KEYS = {"name", "query", "unit", "above", "below", "panel"}
SOURCE = "Prometheus"
MOST_PANELS = 12


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what is too much or too little; None for no limit. `panel`: where it is drawn."""

    name: str
    query: str
    unit: str
    above: float | None = None
    below: float | None = None
    panel: str = ""


_HTTP, _REAL = "http_request_duration_seconds", '{fstype!~"tmpfs|overlay"}'
DEFAULT = (
    Question("p50", f"histogram_quantile(0.5, sum by (le) (rate({_HTTP}_bucket[5m])))", "seconds", panel="answers"),
    Question(
        "p95",
        f"histogram_quantile(0.95, sum by (le) (rate({_HTTP}_bucket[5m])))",
        "seconds",
        above=0.8,
        panel="answers",
    ),
    Question("p99", f"histogram_quantile(0.99, sum by (le) (rate({_HTTP}_bucket[5m])))", "seconds", panel="answers"),
    Question(
        "errors",
        '(sum(rate(http_requests_total{status=~"5.."}[10m])) or vector(0)) / sum(rate(http_requests_total[10m]))',
        "share",
        above=0.01,
    ),
    Question("requests", "sum(rate(http_requests_total[5m]))", "rate"),
    Question("processor", 'sum(rate(process_cpu_seconds_total{job!~"prometheus|negahban"}[5m]))', "count"),
    Question("memory", 'sum(process_resident_memory_bytes{job!~"prometheus|negahban"})', "bytes"),
    Question(
        "database",
        "sum(mongodb_dbstats_dataSize + mongodb_dbstats_indexSize) or sum(max by (target) (negahban_database_bytes))",
        "bytes",
    ),
    Question(
        "disk free",
        f"min(node_filesystem_avail_bytes{_REAL} / node_filesystem_size_bytes{_REAL})",
        "share",
        below=0.15,
    ),
)


@dataclass(frozen=True, slots=True)
class MetricsCheck:
    """See the module."""

    metrics: Metrics
    questions: Sequence[Question] = DEFAULT

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError when Prometheus does not answer the first question."""
        each = seconds / max(1, len(self.questions))
        return tuple(self._one(question, each) for question in self.questions)

    def _one(self, question: Question, seconds: float) -> Finding:
        try:
            samples = self.metrics.ask(question.query, seconds)
        except OutsideError as error:
            if not error.permanent:
                raise
            return unknown(question.name, error.text, source=SOURCE)
        return judged(question, [each.value for each in samples])


@dataclass(frozen=True, slots=True)
class Then:
    """The Metrics port, as of an earlier moment."""

    past: PastMetrics
    moment: datetime

    def ask(self, expression: str, seconds: float) -> tuple[Sample, ...]:
        """See the port."""
        return self.past.ask(expression, seconds, self.moment)


def judged(question: Question, values: Sequence[float]) -> Finding:
    """The worst value against its limits."""
    name = question.name
    if not values:
        return unknown(name, Text("{name}: Prometheus has no value for it.", name=name), source=SOURCE)
    if not all(math.isfinite(each) for each in values):
        return unknown(name, Text("{name}: too little was measured.", name=name), source=SOURCE)
    value = min(values) if question.below is not None else max(values)
    bad = (question.above is not None and value > question.above) or (
        question.below is not None and value < question.below
    )
    shown, limit = spelled(value, question.unit), _limit(question)
    text = Text("{name} {value}", name=name, value=shown)
    if limit is not None:
        text = Text("{name} {value} ({limit})", name=name, value=shown, limit=limit)
    return (failed if bad else passed)(name, text, value=shown, limit=str(limit or ""), source=SOURCE)


def _limit(question: Question) -> Text | None:
    most = Text("at most {value}", value=spelled(question.above, question.unit)) if question.above is not None else None
    least = (
        Text("at least {value}", value=spelled(question.below, question.unit)) if question.below is not None else None
    )
    return most if least is None else least if most is None else Text("{first}, {second}", first=most, second=least)


def panels(questions: Sequence[Question]) -> tuple[Panel, ...]:
    """What is drawn for them. The first limit of a panel counts."""
    found: list[Panel] = []
    for each in questions:
        title, curve = each.panel or each.name, Curve(each.name, each.query)
        last = found[-1] if found and (found[-1].title, found[-1].unit) == (title, each.unit) else None
        if last is None or not each.panel:
            found.append(Panel(title, each.unit, (curve,), each.above, each.below))
        else:
            above = each.above if last.above is None else last.above
            below = each.below if last.below is None else last.below
            found[-1] = replace(last, curves=(*last.curves, curve), above=above, below=below)
    return tuple(found[:MOST_PANELS])


def spelled(value: float, unit: str) -> str:
    """For people."""
    match unit:
        case "seconds":
            return f"{value * 1000:.0f} ms" if value < 1 else spelled_seconds(value)
        case "share":
            return f"{value:.1%}"
        case "bytes":
            return spelled_bytes(int(value))
        case "rate":
            return f"{value:.3g} a second"
        case _:
            return f"{value:.3g}"


def read(data: object) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """The questions in a file's data, and everything that is wrong with it."""
    if not isinstance(data, Mapping) or set(data) != {"queries"} or not isinstance(data["queries"], list):
        return (), ("expected a mapping with a list `queries`",)
    problems: list[str] = []
    found = [_question(each, f"query {number}", problems) for number, each in enumerate(data["queries"], 1)]
    return tuple(each for each in found if each is not None), tuple(problems)


def _question(given: Any, where: str, problems: list[str]) -> Question | None:
    if not isinstance(given, Mapping) or set(given) - _KEYS or not {"name", "query", "unit"} <= set(given):
        problems.append(f"{where}: expected name, query, unit, and perhaps above, below and panel")
        return None
    words = [given[key] for key in ("name", "query", "unit")]
    if not all(isinstance(each, str) and 0 < len(each) <= 2000 for each in words) or given["unit"] not in UNITS:
        problems.append(f"{where}: name and query are words, unit is one of {', '.join(UNITS)}")
        return None
    bounds = [given.get(key) for key in ("above", "below")]
    if not all(each is None or (isinstance(each, int | float) and not isinstance(each, bool)) for each in bounds):
        problems.append(f"{where}: above and below are numbers")
        return None
    above, below = (None if each is None else float(each) for each in bounds)
    return Question(str(words[0]), str(words[1]), str(words[2]), above, below, str(given.get("panel", ""))[:40])
