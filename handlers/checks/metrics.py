"""The indicators of the service, by Prometheus: answers, errors, requests, processor, memory, disk.

- Questions are data: the default ones fit prom-client, node_exporter and cAdvisor; HEALTH_QUERIES replaces them.
- The worst series counts. No series, or one that is no number, is UNKNOWN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.core.answers import TargetName
from handlers.core.errors import OutsideError
from handlers.core.findings import Finding, failed, passed, unknown
from handlers.core.probes import Metrics
from handlers.core.text import Text, spelled_bytes, spelled_seconds

UNITS = ("seconds", "share", "bytes", "rate", "count")
_KEYS = {"name", "query", "unit", "above", "below"}
SOURCE = "Prometheus"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and what is too much or too little; None for no limit."""

    name: str
    query: str
    unit: str
    above: float | None = None
    below: float | None = None


_HTTP, _REAL = "http_request_duration_seconds", '{fstype!~"tmpfs|overlay"}'
DEFAULT = (
    Question("p50", f"histogram_quantile(0.5, sum by (le) (rate({_HTTP}_bucket[5m])))", "seconds"),
    Question("p95", f"histogram_quantile(0.95, sum by (le) (rate({_HTTP}_bucket[5m])))", "seconds", above=0.8),
    Question("p99", f"histogram_quantile(0.99, sum by (le) (rate({_HTTP}_bucket[5m])))", "seconds"),
    Question(
        "errors",
        f'(sum(rate({_HTTP}_count{{status_code=~"5.."}}[10m])) or vector(0)) / sum(rate({_HTTP}_count[10m]))',
        "share",
        above=0.01,
    ),
    Question("requests", f"sum(rate({_HTTP}_count[5m]))", "rate"),
    Question("processor", 'sum(rate(process_cpu_seconds_total{job!~"prometheus|negahban"}[5m]))', "count"),
    Question("memory", 'sum(process_resident_memory_bytes{job!~"prometheus|negahban"})', "bytes"),
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
    bounds = [
        f"at most {spelled(question.above, question.unit)}" if question.above is not None else "",
        f"at least {spelled(question.below, question.unit)}" if question.below is not None else "",
    ]
    limit = ", ".join(filter(None, bounds))
    text = Text("{name} {value}", name=name, value=spelled(value, question.unit))
    if limit:
        text = Text("{name} {value} ({limit})", name=name, value=spelled(value, question.unit), limit=limit)
    return (failed if bad else passed)(name, text, value=spelled(value, question.unit), limit=limit, source=SOURCE)


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
        problems.append(f"{where}: expected name, query, unit, and perhaps above and below")
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
    return Question(str(words[0]), str(words[1]), str(words[2]), above, below)
