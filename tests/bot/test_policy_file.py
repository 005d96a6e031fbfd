"""The policy file: refused at start when it is wrong, read again when it changes, the last good one kept."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import terminal
from bot.adapters import yaml_file
from bot.adapters.policy_file import PolicyFile
from handlers.core.door.policy import Permission
from handlers.core.door.rules import Need, Wish
from handlers.core.words.answers import PersonId
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text

ONE = "people: {sara: {slack: [U0SARA], roles: [lead]}}\nrules: [{allow: [lead], may: operate}]\n"
TWO = "people: {omid: {slack: [U0OMID], roles: [lead]}}\nrules: [{allow: [lead], may: destroy}]\n"
WISH = Wish(Permission.OPERATE, "backup.now", "shop")


def written(path: Path, words: str) -> Path:
    """In one step, as editors and mounts do it, so that each version is another file."""
    fresh = path.with_suffix(".new")
    fresh.write_text(words)
    fresh.replace(path)
    return path


def names(file: PolicyFile) -> list[str]:
    return [name for name, _ in file.current().who_can(WISH)]


def test_it_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = written(tmp_path / "policy.yaml", ONE)
    file = PolicyFile(path, yaml_file.read)
    first = file.current().version
    assert names(file) == ["sara"]
    written(path, TWO)
    assert names(file) == ["omid"]
    assert file.current().version != first


@pytest.mark.parametrize("bad", ["people: [", "people: {}\nrules: []\n", "[]"], ids=["no YAML", "empty", "no mapping"])
def test_a_bad_change_keeps_the_last_good_rules_and_says_so(tmp_path: Path, bad: str) -> None:
    path = written(tmp_path / "policy.yaml", ONE)
    file = PolicyFile(path, yaml_file.read)
    written(path, bad)
    assert names(file) == ["sara"]
    assert file.problem
    written(path, TWO)
    assert names(file) == ["omid"]
    assert not file.problem


def test_a_file_that_is_gone_keeps_the_last_good_rules(tmp_path: Path) -> None:
    path = written(tmp_path / "policy.yaml", ONE)
    file = PolicyFile(path, yaml_file.read)
    path.unlink()
    assert names(file) == ["sara"]
    assert file.problem


def test_a_bad_file_at_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="rule 1"):
        PolicyFile(written(tmp_path / "p.yaml", ONE.replace("may: operate", "may: all")), yaml_file.read)
    with pytest.raises(OutsideError):
        PolicyFile(tmp_path / "absent.yaml", yaml_file.read)


class Recorder:
    """An Audit that can be away."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.away = False

    def write(self, event: AuditEvent) -> None:
        if self.away:
            raise OutsideError(Text("away"))
        self.events.append(event)


def test_every_change_is_recorded_with_its_version_or_what_is_wrong_before_it_holds(tmp_path: Path) -> None:
    path, audit = written(tmp_path / "policy.yaml", ONE), Recorder()
    file = PolicyFile(path, yaml_file.read, audit)
    before = file.current().version
    written(path, TWO)
    after = file.current().version
    written(path, "people: 7\n")
    file.current()
    file.current()
    assert [(each.event, each.decision) for each in audit.events] == [
        ("policy.reloaded", "allow"),
        ("policy.refused", "error"),
    ]
    assert audit.events[0].facts == {"before": before, "version": after}
    assert "people" in str(audit.events[1].facts["problem"])


def test_a_change_that_cannot_be_recorded_does_not_hold_until_it_is(tmp_path: Path) -> None:
    path, audit = written(tmp_path / "policy.yaml", ONE), Recorder()
    file = PolicyFile(path, yaml_file.read, audit)
    audit.away = True
    written(path, TWO)
    assert names(file) == ["sara"]
    audit.away = False
    assert names(file) == ["omid"]
    assert len(audit.events) == 1


WHO = """
people:
  sara: {slack: [U0SARA], roles: [operator]}
  omid: {slack: [U0OMID], roles: [lead]}
  nima: {slack: [U0NIMA], roles: [lead]}
rules:
  - {allow: [operator], may: destroy, commands: [restore], targets: [shop], approvals: {count: 1, from: [lead]}}
freezes: [{name: night, from: "22:00", to: "06:00", zone: UTC, override: [lead]}]
break_glass: {people: [sara], minutes: 30}
"""


def test_who_can_says_on_the_terminal_what_the_gate_would(tmp_path: Path) -> None:
    rules, out = PolicyFile(written(tmp_path / "policy.yaml", WHO), yaml_file.read).current(), io.StringIO()
    assert terminal.who_can(rules, "restore", "shop", datetime(2026, 11, 24, 3, tzinfo=UTC), out=out) == 0
    assert out.getvalue().splitlines() == [
        "sara, with their own code, and 1 of nima, omid must agree; in an emergency alone, for 30 minutes",
        "frozen now by night, until 2026-11-24 06:00:00 UTC, but for nima, omid",
    ]
    gate = rules.need(PersonId("U0SARA"), Wish(Permission.DESTROY, "restore.run", "shop"))
    assert isinstance(gate, Need)
    assert (gate.approvals, sorted(gate.approvers), gate.alone) == (1, ["nima", "omid"], 30)


@pytest.mark.parametrize(("operation", "target"), [("restore", "wiki"), ("rotate", "shop")])
def test_who_can_says_nobody_where_the_gate_lets_nobody(tmp_path: Path, operation: str, target: str) -> None:
    rules, out = PolicyFile(written(tmp_path / "policy.yaml", WHO), yaml_file.read).current(), io.StringIO()
    assert terminal.who_can(rules, operation, target, datetime(2026, 11, 24, 12, tzinfo=UTC), out=out) == 1
    assert out.getvalue() == "nobody\n"
    assert isinstance(rules.need(PersonId("U0SARA"), Wish(Permission.DESTROY, f"{operation}.run", target)), Text)


def test_who_can_says_what_it_does_not_ask(tmp_path: Path) -> None:
    groups, out = f"{ONE}groups: {{S0OPS: [operator]}}\n", io.StringIO()
    rules = PolicyFile(written(tmp_path / "policy.yaml", groups), yaml_file.read).current()
    assert terminal.who_can(rules, "restore", "shop", datetime(2026, 11, 24, 12, tzinfo=UTC), out=out) == 1
    assert "not asked here: who is in the Slack user groups S0OPS" in out.getvalue()
