"""CI reports: found is found, and only a whole report is clean."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.ci_reports import read

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ci"
FOUND = [("npm-audit", "npm-7-found"), ("npm-audit", "npm-6-found"), ("snyk", "snyk-found")]
ZERO = {"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0}
CLEAN = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {"vulnerabilities": ZERO | {"total": 0}}}
JUNK: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, -1, 10**400, "", "x", [], {}, 1.5])


def body(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


@pytest.mark.parametrize(("tool", "name", "total"), [(*FOUND[0], 2), (*FOUND[1], 3), (*FOUND[2], 1)])
def test_what_a_report_found_is_counted_once(tool: str, name: str, total: int) -> None:
    report = read(tool, body(name))
    assert (report.verdict, report.total, report.reason) == ("found", total, None)


def test_the_worst_package_comes_first() -> None:
    assert [one.name for one in read("npm-audit", body("npm-7-found")).worst] == ["minimist", "mkdirp"]


def test_a_whole_report_without_findings_is_clean() -> None:
    assert read("npm-audit", json.dumps(CLEAN).encode()).verdict == "clean"
    assert read("snyk", b'{"ok": true, "vulnerabilities": [], "uniqueCount": 0}').verdict == "clean"


@pytest.mark.parametrize("tool", ["npm-audit", "snyk", "other"])
@pytest.mark.parametrize(
    "hostile",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"error": {"code": "ENOLOCK"}}', b'{"message": "x"}',
     b'{"ok": false, "error": "Could not detect supported target files"}', b'{"ok": true}', b"9" * 5000],
    ids=["empty", "object", "array", "null", "bytes", "deep", "no-lock", "endpoint", "no-project", "no-list", "huge"],
)  # fmt: skip
def test_an_unusable_report_is_unknown(tool: str, hostile: bytes) -> None:
    report = read(tool, hostile)
    assert report.verdict == "unknown"
    assert report.reason is not None


def test_counts_without_a_list_are_unknown() -> None:
    counted = {"vulnerabilities": ZERO | {"high": 3, "total": 3}}
    assert read("npm-audit", json.dumps(CLEAN | {"metadata": counted}).encode()).verdict == "unknown"


@pytest.mark.parametrize(("tool", "name"), FOUND)
@given(data=st.data())
def test_no_cut_of_a_found_report_is_clean(tool: str, name: str, data: st.DataObject) -> None:
    whole = body(name)
    assert read(tool, whole[: data.draw(st.integers(0, len(whole) - 1))]).verdict != "clean"


def places(node: Any) -> list[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    return [(node, key) for key in keys] + [place for key in keys for place in places(node[key])]


@pytest.mark.parametrize(("tool", "name"), FOUND)
@given(data=st.data())
def test_no_changed_value_makes_a_found_report_clean(tool: str, name: str, data: st.DataObject) -> None:
    report = copy.deepcopy(json.loads(body(name)))
    node, key = data.draw(st.sampled_from(places(report)))
    # A project taken out of Snyk's list whole leaves a true report of the others, so that is no change to notice.
    if (node is report and isinstance(report, list)) or data.draw(st.booleans()):
        node[key] = data.draw(JUNK)
    else:
        del node[key]
    assert read(tool, json.dumps(report).encode()).verdict != "clean"


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("snyk", '{"ok": false, "vulnerabilities": []}'),
        ("snyk", '{"ok": true, "vulnerabilities": [], "uniqueCount": 2}'),
        ("snyk", '{"ok": true, "vulnerabilities": [], "error": "x"}'),
        ("snyk", '[{"ok": true, "vulnerabilities": []}, {"error": "x"}]'),
        ("snyk", '{"ok": false, "ok": true, "vulnerabilities": []}'),
        ("npm-audit", json.dumps(CLEAN | {"error": {"code": "EAUDIT"}})),
        ("npm-audit", json.dumps(CLEAN | {"auditReportVersion": True})),
        ("npm-audit", json.dumps(CLEAN | {"auditReportVersion": 3})),
        ("npm-audit", json.dumps(CLEAN | {"metadata": {"vulnerabilities": ZERO | {"total": 3}}})),
    ],
    ids=["not-ok", "unique", "error", "one-of-two", "twice", "npm-error", "version-true", "version-3", "sum"],
)
def test_a_report_that_contradicts_itself_is_unknown(tool: str, said: str) -> None:
    assert read(tool, said.encode()).verdict == "unknown"
