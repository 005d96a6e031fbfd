"""The audit record: who did what, in a chain that shows when something was changed or taken out.

- One record a line, canonical JSON: `seq` counts from 0 without gaps, `prev` is the hash of the record before.
- `hash` is SHA-256 over the record without it. Changing, removing or reordering records breaks the chain; cutting
  off its end does not (anchors are needed for that), so `verify` says how far it got and what the last hash was.
- An intent is written before its effect, the result after. No record, no act.
- Never a code, a seed or a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.core.answers import Actor
from handlers.core.digests import Json, canonical, digest

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something to remember. `decision` is allow, deny, error or unknown."""

    event: str
    decision: str
    actor: Actor | None
    target: str = ""
    operation: str = ""
    digest: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)


def record(event: AuditEvent, *, sequence: int, previous: str, moment: datetime) -> dict[str, Json]:
    """The record of an event at its place in the chain."""
    body: dict[str, Json] = {
        "v": 1,
        "seq": sequence,
        "ts": moment.isoformat(timespec="milliseconds"),
        "event": event.event,
        "decision": event.decision,
        "actor": None if event.actor is None else event.actor.to_json(),
        "target": event.target,
        "operation": event.operation,
        "digest": event.digest,
        "facts": dict(event.facts),
        "prev": previous,
    }
    return {**body, "hash": digest("audit", body)}


def line(entry: Mapping[str, Json]) -> bytes:
    """One line of the file, with its end."""
    return canonical(dict(entry)) + b"\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `problem` is empty for a clean chain; `torn` when the last line is cut."""

    records: int
    head: str
    problem: str = ""
    torn: bool = False


def verify(lines: Iterable[bytes]) -> Verdict:
    """Reads the chain from its start and stops at the first record that does not fit."""
    count, head = 0, GENESIS
    for raw in lines:
        if not raw.endswith(b"\n"):
            return Verdict(count, head, torn=True)
        problem, head_after = _checked(raw, count, head)
        if problem:
            return Verdict(count, head, problem=f"record {count}: {problem}")
        count, head = count + 1, head_after
    return Verdict(count, head)


def _checked(raw: bytes, sequence: int, previous: str) -> tuple[str, str]:
    try:
        entry: Any = json.loads(raw)
        # One spelling only: a key given twice, or a space, would let two readers see two records.
        spelled = isinstance(entry, dict) and line(entry) == raw
    except (ValueError, TypeError, RecursionError):
        return "not a record", previous
    if not spelled:
        return "not a record as it was written", previous
    if entry.get("seq") != sequence:
        return f"has number {entry.get('seq')}: a record is missing, added or moved", previous
    if entry.get("prev") != previous:
        return "does not follow the record before it", previous
    body = {key: value for key, value in entry.items() if key != "hash"}
    try:
        fits = digest("audit", body) == entry.get("hash")
    except TypeError:
        fits = False
    if not fits:
        return "was changed", previous
    return "", str(entry["hash"])
