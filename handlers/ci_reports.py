"""CI reports: what npm audit and Snyk say about a project's packages.

- Three verdicts. CLEAN only when a whole report of a known shape says so and its parts agree; all else that is
  not FOUND is UNKNOWN, with the reason.
- The exit status of the tool is no evidence (npm ends with 1 for findings and for errors alike): only the body is.
- The body is hostile: nothing in it makes `read` raise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NoReturn

from handlers.core.words.text import Text

SEVERITIES = ("critical", "high", "moderate", "low", "info")
WORST_SHOWN = 10
_HIGHEST_COUNT = 1_000_000
_WORD_LIMIT = 300


@dataclass(frozen=True, slots=True)
class WorstPackage:
    """One vulnerable package."""

    name: str
    severity: str
    installed: str
    title: str
    fix_available: bool


@dataclass(frozen=True, slots=True)
class CiReport:
    """What a report says. `reason` is there when, and only when, the verdict is unknown."""

    verdict: Literal["clean", "found", "unknown"]
    counts: Mapping[str, int]
    worst: tuple[WorstPackage, ...]
    reason: Text | None
    total: int


class _Unusable(Exception):
    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason


def read(tool: str, body: bytes) -> CiReport:
    """The report in the body of the tool `npm-audit` or `snyk`. Never raises for what is in the body."""
    try:
        found, totals = _READERS[tool](_parsed(body)) if tool in _READERS else _refuse(Text("The tool is not known."))
    except _Unusable as unusable:
        return CiReport("unknown", MappingProxyType({}), (), unusable.reason, 0)
    counts = totals or {name: sum(1 for one in found if one.severity == name) for name in SEVERITIES}
    total = sum(counts.values())
    worst = sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.name))[:WORST_SHOWN]
    return CiReport("found" if total else "clean", MappingProxyType(counts), tuple(worst), None, total)


def _refuse(reason: Text) -> NoReturn:
    raise _Unusable(reason)


def _parsed(body: bytes) -> Any:
    if not body.strip():
        _refuse(Text("The report is empty."))
    try:
        return json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        _refuse(Text("The report is not whole JSON."))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    taken = dict(pairs)
    if len(taken) != len(pairs):
        raise ValueError("a name is there twice")
    return taken


def _npm(report: Any) -> tuple[list[WorstPackage], dict[str, int]]:
    report = _mapping(report)
    if "error" in report or "message" in report:
        _refuse(Text("npm audit did not work: {said}", said=_said(report)))
    version = report.get("auditReportVersion")
    if type(version) is int and version == 2:
        entries = _mapping(report.get("vulnerabilities"))
        found = [_npm_package(name, entry) for name, entry in entries.items()]
    elif version is None and "advisories" in report:
        found = [_npm_advisory(one) for one in _mapping(report["advisories"]).values()]
    else:
        _refuse(Text("This is no report of npm audit."))
    totals = _npm_totals(_mapping(_mapping(report.get("metadata")).get("vulnerabilities")))
    total = sum(totals.values())
    listed = {name: sum(1 for one in found if one.severity == name) for name in SEVERITIES}
    # npm 6 counts a package once for each path to it, so its counts may exceed its advisories; never the reverse.
    agree = totals == listed if version == 2 else all((totals[s] > 0) == (listed[s] > 0) for s in SEVERITIES)
    if not agree or total < len(found):
        _refuse(
            Text("The report contradicts itself: it counts {total} and lists {listed}.", total=total, listed=len(found))
        )
    return found, totals


def _npm_totals(given: dict[str, Any]) -> dict[str, int]:
    totals = {name: _count(given.get(name, 0 if name == "info" else None)) for name in SEVERITIES}
    if "total" in given and _count(given["total"]) != sum(totals.values()):
        _refuse(Text("The report contradicts itself: its counts do not add up."))
    return totals


def _npm_package(name: str, given: Any) -> WorstPackage:
    entry = _mapping(given)
    titles = [one["title"] for one in _list(entry.get("via")) if isinstance(one, dict) and "title" in one]
    fix = entry.get("fixAvailable", False)
    title = _word(titles[0]) if titles else ""
    return WorstPackage(_word(name), _severity(entry.get("severity")), _word(entry.get("range", "")), title, bool(fix))


def _npm_advisory(given: Any) -> WorstPackage:
    entry = _mapping(given)
    patched = _word(entry.get("patched_versions", "<0.0.0"))
    severity, installed = _severity(entry.get("severity")), _word(entry.get("vulnerable_versions", ""))
    title, fixed = _word(entry.get("title", "")), patched != "<0.0.0"
    return WorstPackage(_word(entry.get("module_name")), severity, installed, title, fixed)


def _snyk(report: Any) -> tuple[list[WorstPackage], dict[str, int]]:
    projects = report if isinstance(report, list) else [report]
    if not projects:
        _refuse(Text("The report names no project."))
    found: list[WorstPackage] = []
    for project in projects:
        found.extend(_snyk_project(_mapping(project)))
    return found, {}


def _snyk_project(project: dict[str, Any]) -> list[WorstPackage]:
    ok, entries = project.get("ok"), project.get("vulnerabilities")
    if "error" in project or not isinstance(ok, bool) or not isinstance(entries, list):
        _refuse(Text("Snyk did not test the project: {said}", said=_said(project)))
    distinct = {}
    for given in entries:
        entry = _mapping(given)
        package = _word(entry.get("packageName", entry.get("moduleName", entry.get("name"))))
        version, number = _word(entry.get("version", "")), _word(entry.get("id"))
        fix = bool(entry.get("isUpgradable")) or bool(entry.get("isPatchable"))
        severity, title = _severity(entry.get("severity")), _word(entry.get("title", ""))
        distinct[(number, package, version)] = WorstPackage(package, severity, version, title, fix)
    unique = project.get("uniqueCount")
    ids = len({number for number, _, _ in distinct})
    if ok == bool(distinct) or (unique is not None and (_count(unique) > 0) != (ids > 0)):
        _refuse(Text("The report contradicts itself: it lists {listed}.", listed=len(distinct)))
    return list(distinct.values())


def _said(report: dict[str, Any]) -> str:
    error = report.get("error")
    if isinstance(error, dict):
        error = error.get("summary") or error.get("code")
    said = error or report.get("message")
    return said[:_WORD_LIMIT] if isinstance(said, str) else "it does not say why"


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else _refuse(Text("The report does not have the documented shape."))


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else _refuse(Text("The report does not have the documented shape."))


def _word(given: Any) -> str:
    if not isinstance(given, str):
        _refuse(Text("The report does not have the documented shape."))
    return str(given)[:_WORD_LIMIT]


def _count(given: Any) -> int:
    if type(given) is not int or not 0 <= given <= _HIGHEST_COUNT:
        _refuse(Text("The report has a count that is none."))
    return int(given)


def _severity(given: Any) -> str:
    word = "moderate" if given == "medium" else given
    return (
        word if isinstance(word, str) and word in SEVERITIES else _refuse(Text("The report has an unknown severity."))
    )


_READERS = {"npm-audit": _npm, "snyk": _snyk}
