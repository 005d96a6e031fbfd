"""The scorecard: every row of the checklist passes, fails and is not known, by findings that really exist."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.checks import metrics, scorecard
from handlers.checks.edge import cookies, headers
from handlers.checks.printed import spelled
from handlers.checks.readiness import RULES, ReadinessCheck, Triage
from handlers.checks.scorecard import ROWS, as_json, changes, judged, markdown
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Answer, Check
from handlers.core.words.answers import Actor, JobId, PersonId, Plan, Surface, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.health import LANE, LOOK, HealthHandler
from tests.fakes import FakeClock, MemoryState

SHOP = TargetName("shop")
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NAMES = {
    "edge": (
        "certificate 192.0.2.1", "redirect", "HSTS", "framing", "Content-Security-Policy", "origin https://a.example",
        "forged origins", "port 27017",
    ),
    "secrets": ("secret jwt", "IAM second factor"),
    "backups": (
        "newest", "copies", "daily copies", "weekly copies", "lock", "last drill", "last scrub",
    ),
    "metrics": tuple(each.name for each in metrics.DEFAULT),
    "audit": ("chain",),
    "readiness": ("environment file", "rule SlowResponses", "rule ServerErrors", "rule DatabaseDiskLow", "CI reports",
                  "first runbook"),
    "updates": ("monthly round",),
}  # fmt: skip


def found(make: Any = passed, **only: Any) -> dict[str, tuple[Finding, ...]]:
    """Findings of every section, all alike."""
    source = "secret in Vault"
    return {
        section: tuple(
            replace(make(name, Text("said of {name}", name=name)), source=source) for name in only.get(section, names)
        )
        for section, names in NAMES.items()
    }


def verdicts(given: Mapping[str, tuple[Finding, ...]]) -> dict[str, Verdict]:
    return {each.row.id: each.verdict for each in judged(given)}


def test_the_rows_are_those_of_the_checklist() -> None:
    assert [each.id for each in ROWS] == [f"S{number}" for number in range(1, 27)]


def test_what_is_well_holds_in_every_row() -> None:
    assert set(verdicts(found()).values()) == {PASS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_fails_when_one_of_its_findings_does(row: scorecard.Row) -> None:
    bad = verdicts(found(failed))[row.id]
    assert bad is (PASS if row.mode in {"seen", "stored"} else FAIL)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_not_known_when_its_findings_are_not_or_are_not_there(row: scorecard.Row) -> None:
    assert verdicts(found(unknown))[row.id] is UNKNOWN
    assert verdicts({})[row.id] is UNKNOWN
    hung = {section: (unknown(section, Text("did not answer")),) for section in NAMES}
    assert verdicts(hung)[row.id] is UNKNOWN


def test_a_row_that_nothing_looks_at_says_whether_its_section_is_configured_at_all() -> None:
    some = {**found(), "metrics": (passed("queue", Text("short")),)}
    none = {section: each for section, each in found().items() if section != "metrics"}
    why = [{each.row.id: str(each.evidence[0]) for each in judged(given)}["S17"] for given in (some, none)]
    assert why == ["Nothing of metrics looks at it as it is configured.", "Not looked at: metrics is not configured."]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_command_in_what_to_do_next_is_a_value_and_no_mark(row: scorecard.Row) -> None:
    assert "`" not in row.then.template


def test_an_address_that_does_not_answer_fails_what_is_looked_at_there() -> None:
    given = {**found(), "edge": (failed("address", Text("no")), unknown("certificate", Text("?")))}
    edge = {id_: verdict for id_, verdict in verdicts(given).items() if verdict is not PASS}
    assert edge == {"S1": UNKNOWN, "S2": UNKNOWN, "S3": FAIL, "S4": UNKNOWN, "S23": UNKNOWN}


def test_secrets_in_files_are_in_no_store() -> None:
    given = found()
    given["secrets"] = (replace(passed("secret jwt", Text("young")), source="files in /secrets"),)
    said = {each.row.id: each for each in judged(given)}
    assert [said[id_].verdict for id_ in ("S5", "S6", "S7", "S9")] == [FAIL, FAIL, FAIL, PASS]
    assert "files in /secrets" in str(said["S5"].evidence[0])


def test_what_is_watched_may_be_bad_but_not_unseen() -> None:
    given = found()
    slow = tuple(failed(each, Text("slow")) for each in NAMES["metrics"])
    assert verdicts({**given, "metrics": slow})["S16"] is PASS
    assert verdicts({**given, "metrics": (*slow[1:], unknown("p50", Text("no value")))})["S16"] is UNKNOWN


def test_the_names_that_rows_ask_for_are_those_that_checks_give() -> None:
    real = {each.name for each in headers(Answer(200), secure=True)} | {
        each.name for each in cookies(Answer(200, (("set-cookie", "a=b"),)))
    }
    real |= {
        each.name
        for each in ReadinessCheck(None, None, lambda: Triage(there=False, rollback=False), FakeClock())(SHOP, 1)
    }
    assert {*NAMES["readiness"], "HSTS", "framing", "Content-Security-Policy"} <= real
    for row in ROWS:
        for section, names in row.chosen:
            assert any(re.fullmatch(names, each) for each in NAMES[section]), row.id


# -- readiness -----------------------------------------------------------------------------------------------------


class Loaded:
    """Prometheus' rules as a test says."""

    def __init__(self, rules: dict[str, str] | None) -> None:
        self._rules = rules

    def loaded(self, seconds: float) -> Mapping[str, str]:
        if self._rules is None:
            raise OutsideError(Text("Prometheus does not answer."))
        return self._rules


WELL = dict.fromkeys(RULES, "ok")
DAY = timedelta(days=1)
READY = Triage(there=True, rollback=True)


@pytest.mark.parametrize(
    ("rules", "reports", "triage", "name", "verdict"),
    [
        (WELL, {}, READY, "rule SlowResponses", PASS),
        ({**WELL, "SlowResponses": "err"}, {}, READY, "rule SlowResponses", FAIL),
        ({**WELL, "SlowResponses": "unknown"}, {}, READY, "rule SlowResponses", UNKNOWN),
        ({}, {}, READY, "rule DatabaseDiskLow", FAIL),
        (None, {}, READY, "rule ServerErrors", UNKNOWN),
        (WELL, {"shop": NOW - DAY}, READY, "CI reports", PASS),
        (WELL, {"shop": NOW - 40 * DAY}, READY, "CI reports", FAIL),
        (WELL, {}, READY, "CI reports", UNKNOWN),
        (WELL, {}, READY, "first runbook", PASS),
        (WELL, {}, Triage(there=True, rollback=False), "first runbook", FAIL),
        (WELL, {}, Triage(there=False, rollback=True), "first runbook", FAIL),
        (WELL, {}, READY, "environment file", UNKNOWN),
    ],
)
def test_what_only_the_scorecard_asks(
    rules: dict[str, str] | None, reports: dict[str, datetime], triage: Triage, name: str, verdict: Verdict
) -> None:
    check = ReadinessCheck(Loaded(rules), lambda: reports, lambda: triage, FakeClock(NOW))
    assert {each.name: each.verdict for each in check(SHOP, 5)}[name] is verdict


# -- the look ------------------------------------------------------------------------------------------------------


class House:
    """The handler over a played examiner."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.found = found()
        checks: Any = {name: None for name in NAMES if name != "readiness"}
        targets: Any = {SHOP: None}
        readiness: Any = object()
        state = MemoryState(self.clock)
        self.handler = HealthHandler(targets, checks, self, state, self.clock, readiness)

    def examine(self, checks: Mapping[str, Check], target: TargetName, seconds: float) -> Any:
        return {name: self.found[name] for name in checks}

    def look(self, surface: Surface = Surface.SLACK) -> Job:
        actor = Actor(PersonId("U0SARA"), "T1", surface)
        plan = Plan(LOOK, SHOP, {"section": "audit"}, actor, "C0OPS", self.clock.now().isoformat(), "n", LANE)
        job = Job(JobId("j1"), plan, JobState.RUNNING, self.clock.now())
        work: Any = SimpleNamespace(job=job, record=lambda *_, **__: None)
        outcome = self.handler.run(work)
        ended = replace(job, state=outcome.state, outcome=outcome, ended=self.clock.now())
        return Job.from_bytes(ended.to_bytes())

    def lines(self, job: Job) -> str:
        return "\n".join(map(str, self.handler.describe(job).lines))


def test_the_card_counts_what_holds_and_says_what_to_do_about_the_rest() -> None:
    house = House()
    house.found["readiness"] = tuple(failed(each, Text("bad")) for each in NAMES["readiness"])
    card = house.handler.describe(house.look())
    assert str(card.title) == "Readiness of shop: 20 of 26 hold"
    said = "\n".join(map(str, card.lines))
    assert "✗ *S18* p95 over 800 ms for 5 minutes wakes somebody: bad Load deploy/prometheus" in said
    assert "*S1* " not in said


def test_a_card_on_which_nothing_holds_says_of_no_row_that_it_does() -> None:
    house = House()
    house.found = found(unknown)
    card = house.handler.describe(house.look())
    assert str(card.title) == "Readiness of shop: 0 of 26 hold"
    marks = [str(each)[:1] for each in card.lines]
    assert marks == ["?"] * len(ROWS)


def test_the_weekly_card_says_what_changed_since_the_week_before() -> None:
    house = House()
    house.look(Surface.SCHEDULE)
    house.clock.advance(7 * 86_400)
    assert house.lines(house.look(Surface.SCHEDULE)) == "Nothing changed since 2026-11-24."
    house.found["audit"] = (failed("chain", Text("tampered")),)
    assert "S25: pass → fail" in house.lines(house.look()), "a look in between compares too, and keeps nothing"
    house.clock.advance(7 * 86_400)
    assert house.lines(house.look(Surface.SCHEDULE)) == "Since 2026-12-01: S10: pass → fail; S25: pass → fail"


def test_a_scorecard_is_json_and_markdown_too() -> None:
    house = House()
    house.found["edge"] = (failed("HSTS", Text("a | b\nc <d>")),)
    job = house.look(Surface.TERMINAL)
    data = json.loads(spelled(job, form="json"))
    assert (data["verdict"], len(data["rows"])) == ("fail", 26)
    assert data["rows"][2]["evidence"] == ["a | b\nc <d>"]
    text = spelled(job, form="markdown")
    (row,) = (line for line in text.splitlines() if line.startswith("| S3 "))
    assert "FAIL" in row
    assert "a \\| b c &lt;d>" in row
    assert len([line for line in text.splitlines() if line.startswith("| S")]) == 26


def test_only_rows_that_were_there_before_have_changed() -> None:
    rows = judged(found())
    assert changes({"S1": "fail", "S99": "pass"}, rows) == ("S1: fail → pass",)
    assert len(as_json(rows)) == 26
    assert markdown("shop", "now", rows).startswith("# Production readiness of shop")
