"""Controls: which entries of the audit record show that a control of SOC 2 or ISO 27001 is at work.

- One table; an auditor reads the words, the record gives counts and numbers. The bot shows what it did, not that a
  control is sufficient: that is the auditor's to judge.
- SOC 2: Trust Services Criteria 2017 (revised points of focus 2022), CC6 to CC8. ISO/IEC 27001:2022, Annex A.5 and A.8.
- An event is named whole, by its beginning (`secret.`), or with its operation (`job.ended restore.`). A control without
  entries in the range is listed with 0: nothing happened, or nothing was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.core.sealing.exports import Range, checked

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Control:
    """`shown_by`: what of the record speaks for it, in words; `events`: which entries those are."""

    id: str
    title: str
    shown_by: str
    events: tuple[str, ...]


CONTROLS = (
    Control(
        "SOC2 CC6.1",
        "Logical access is restricted",
        "Every wish with its person; every denial with its reason",
        ("asked", "denied", "pressed"),
    ),
    Control(
        "SOC2 CC6.2",
        "Users are registered and authorised before they get access",
        "Second factors made and changed",
        ("factor.", "enrolment."),
    ),
    Control(
        "SOC2 CC6.3",
        "Access is changed and removed; duties are separated",
        "Changes of the policy; confirmations by several people",
        ("policy.", "code.accepted", "challenge.denied", "job.denied"),
    ),
    Control(
        "SOC2 CC6.6",
        "Threats from outside the boundary are kept out",
        "Codes refused; people of elsewhere denied; postures of the edge",
        ("code.refused", "denied", "posture."),
    ),
    Control(
        "SOC2 CC6.7",
        "Movement of information is restricted",
        "Reads of secrets; exports; copies restored elsewhere",
        ("secret.read", "asked audit.", "job.ended restore."),
    ),
    Control("SOC2 CC6.8", "Unauthorised software is detected", "Postures that changed", ("posture.",)),
    Control(
        "SOC2 CC7.1", "Changes and weaknesses are detected", "Postures that changed", ("posture.", "job.ended health.")
    ),
    Control("SOC2 CC7.2", "Anomalies are watched for", "Alarms raised and over", ("alarm.",)),
    Control(
        "SOC2 CC7.3",
        "Events are evaluated",
        "Alerts acknowledged; runs of runbooks",
        ("pressed alert", "pressed step", "pressed run"),
    ),
    Control(
        "SOC2 CC7.4",
        "Incidents are responded to",
        "Silences, steps, rollbacks",
        ("pressed", "job.ended runbook.", "job.ended restore."),
    ),
    Control(
        "SOC2 CC7.5", "Recovery from incidents", "Restores and drills", ("job.ended restore.", "job.ended backup.drill")
    ),
    Control(
        "SOC2 CC8.1",
        "Changes are authorised, tested and recorded",
        "What destroys: offered, confirmed with a code for one plan, begun, ended",
        ("job.offered", "challenge.opened", "code.accepted", "job.started", "job.ended"),
    ),
    Control("ISO27001 A.5.15", "Access control", "Wishes and denials by the policy", ("asked", "denied")),
    Control("ISO27001 A.5.16", "Identity management", "Second factors made and changed", ("factor.", "enrolment.")),
    Control("ISO27001 A.5.17", "Authentication information", "Codes; secrets rotated", ("code.", "rotate.", "secret.")),
    Control("ISO27001 A.5.18", "Access rights", "Changes of the policy", ("policy.",)),
    Control("ISO27001 A.5.25", "Assessment of security events", "Alerts acknowledged", ("pressed alert",)),
    Control(
        "ISO27001 A.5.26",
        "Response to incidents",
        "Runbooks and restores",
        ("pressed step", "job.ended runbook.", "job.ended restore."),
    ),
    Control(
        "ISO27001 A.5.28", "Collection of evidence", "Seals of this record; exports of it", ("audit.", "asked audit.")
    ),
    Control(
        "ISO27001 A.5.30",
        "ICT readiness for continuity",
        "Drills and restores",
        ("job.ended backup.drill", "job.ended restore."),
    ),
    Control("ISO27001 A.8.2", "Privileged access rights", "What destroys, with its code", ("challenge.", "code.")),
    Control("ISO27001 A.8.5", "Secure authentication", "Codes accepted and refused", ("code.",)),
    Control("ISO27001 A.8.9", "Configuration management", "Policy, postures, starts", ("policy.", "posture.", "bot.")),
    Control(
        "ISO27001 A.8.13",
        "Backup",
        "Backups, checks, drills, prunings",
        ("job.ended backup.", "backup.delete", "lock."),
    ),
    Control("ISO27001 A.8.15", "Logging", "Seals of this record; what mended it", ("audit.",)),
    Control("ISO27001 A.8.16", "Monitoring", "Alarms", ("alarm.",)),
    Control(
        "ISO27001 A.8.24",
        "Use of cryptography",
        "Keys and secrets rotated",
        ("rotate.", "secret.stage", "secret.promote", "secret.remove"),
    ),
    Control(
        "ISO27001 A.8.32",
        "Change management",
        "What destroys: offered, confirmed, begun, ended",
        ("job.", "code.accepted"),
    ),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One control, and the numbers of the records that show it."""

    control: Control
    records: tuple[int, ...]


def evidence(lines: Iterable[bytes], wanted: Range) -> tuple[Evidence, ...]:
    """For every control, in order. Raises Refusal for a record that is not whole."""
    found: dict[str, list[int]] = {each.id: [] for each in CONTROLS}
    for _, entry in checked(lines):
        if wanted.begins(entry) and wanted.goes_on(entry):
            for control in CONTROLS:
                if any(fits(entry, pattern) for pattern in control.events):
                    found[control.id].append(int(entry["seq"]))
    return tuple(Evidence(each, tuple(found[each.id])) for each in CONTROLS)


def fits(entry: Mapping[str, Any], pattern: str) -> bool:
    """Whether a record is one of those that the pattern names."""
    event, _, operation = pattern.partition(" ")
    said = str(entry.get("event", ""))
    named = said.startswith(event) if event.endswith(".") else said == event
    return named and str(entry.get("operation", "")).startswith(operation)


def table(found: Iterable[Evidence], title: str) -> str:
    """The evidence as Markdown."""
    rows = [
        f"| {each.control.id} | {each.control.title} | {each.control.shown_by} "
        f"| {len(each.records)} | {_numbers(each)} |"
        for each in found
    ]
    head = ["| Control | What it asks | What shows it | Entries | Their numbers |", "|---|---|---|---|---|"]
    return "\n".join((f"# {title}", "", *head, *rows, ""))


def _numbers(found: Evidence) -> str:
    shown = ", ".join(map(str, found.records[:SHOWN]))
    more = len(found.records) - SHOWN
    return f"{shown} and {more} more, the last {found.records[-1]}" if more > 0 else shown
