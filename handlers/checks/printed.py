"""What a look found, read from the record of its job, and printed for files and programs.

- JSON holds every finding; Markdown the scorecard or the comparison when that was asked for, else every finding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from handlers.checks import comparison, scorecard
from handlers.core.health.findings import Finding
from handlers.core.words.digests import Json
from handlers.core.words.jobs import Job

Found = Mapping[str, tuple[Finding, ...]]


def read_found(stored: object) -> Found:
    """The findings in a job's facts, by section, in their order."""
    if not isinstance(stored, Mapping):
        return {}
    known = {str(name): tuple(Finding.from_json(each) for each in findings) for name, findings in stored.items()}
    return {name: known[name] for name in scorecard.PARTS if name in known}


def spelled(job: Job, *, form: str) -> str:
    """A look as `json`, or as `markdown`: the scorecard when that was asked for, else every finding."""
    facts = {} if job.outcome is None else job.outcome.facts
    found, at = read_found(facts.get("found")), (job.ended or job.created).isoformat(timespec="seconds")
    against = comparison.read(facts.get(comparison.AGAINST))
    whole = not against and job.plan.arguments.get("section") == scorecard.SECTION
    if form == "markdown":
        if against:
            told = map(str, comparison.lines(against, found))
            return "\n".join([f"# Health of {job.target}, against an hour ago", "", at, "", *told, ""])
        return scorecard.markdown(job.target, at, scorecard.judged(found)) if whole else _listed(job.target, at, found)
    data: dict[str, Json] = {"target": job.target, "at": at, "verdict": facts.get("verdict", "unknown")}
    data["found"] = {name: [_plain(each) for each in findings] for name, findings in found.items()}
    if against:
        data[comparison.AGAINST] = facts[comparison.AGAINST]
    if whole:
        data["rows"] = scorecard.as_json(scorecard.judged(found))
        data["changes"] = facts.get("changes", [])
    return json.dumps(data, ensure_ascii=False, indent=2)


def _plain(finding: Finding) -> Json:
    words = {"text": str(finding.text), "value": finding.value, "limit": finding.limit, "source": finding.source}
    return {"name": finding.name, "verdict": finding.verdict.value, **words}


def _listed(target: str, at: str, found: Found) -> str:
    rows = [f"# Health of {target}", "", at, ""]
    for name, findings in found.items():
        rows += [f"## {name}", "", *(f"- {each.verdict.value.upper()} {each.text}" for each in findings), ""]
    return "\n".join(rows)
