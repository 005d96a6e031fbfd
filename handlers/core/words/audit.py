"""The audit record: who did what, in a chain that shows when something was changed or taken out.

- One record a line, canonical JSON: `seq` counts from 0 without gaps, `prev` is the hash of the record before.
- `hash` is SHA-256 over the record without it. Changing, removing or reordering records breaks the chain; cutting
  off its end does not, nor does writing all of it anew: seals and copies elsewhere show that (seals, segments).
- An intent is written before its effect, the result after. No record, no act.
- Never a code, a seed or a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.core.words.answers import Actor
from handlers.core.words.digests import Json, canonical, digest

GENESIS = "0" * 64
# As handlers.core.digests spells and digests, which a test holds them to; a tenth of its time, for a whole record.
_SPELLING = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_DOMAIN = b"negahban/audit/1\n"


def _no_float(word: str) -> None:
    raise ValueError(f"{word} is not in canonical JSON")


_READING = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)


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
    """What a verification found. `problem` is empty for a clean chain; `torn` when the last line is cut. `sealed`,
    `anchored`: how many records a seal, a copy elsewhere vouches for; `sealed_at`: when the seal was made, or empty;
    `unasked`: why copies could not be asked; `remarks`: what somebody should look at."""

    records: int
    head: str
    problem: str = ""
    torn: bool = False
    sealed: int = 0
    anchored: int = 0
    unasked: str = ""
    remarks: tuple[str, ...] = ()
    sealed_at: str = ""


Look = Callable[[int, Mapping[str, Any]], str]
"""Is shown every record that fits, with its number; says what else is wrong with it."""


def verify(lines: Iterable[bytes], looks: Sequence[Look] = ()) -> Verdict:
    """Reads the chain from its start and stops at the first record that does not fit."""
    count, head = 0, GENESIS
    for raw in lines:
        if not raw.endswith(b"\n"):
            return Verdict(count, head, torn=True)
        problem, entry = following(raw, count, head)
        problem = problem or next(filter(None, (look(count, entry) for look in looks)), "")
        if problem:
            return Verdict(count, head, problem=f"record {count}: {problem}")
        count, head = count + 1, str(entry["hash"])
    return Verdict(count, head)


def following(raw: bytes, sequence: int, previous: str) -> tuple[str, Mapping[str, Any]]:
    """What is wrong with a line at this place of the chain (empty: nothing), and its record."""
    try:
        entry: Any = _READING.decode(raw.decode("ascii"))
        # One spelling only: a key given twice, or a space, would let two readers see two records.
        spelled = isinstance(entry, dict) and _SPELLING.encode(entry).encode() + b"\n" == raw
    except (ValueError, TypeError, RecursionError):
        return "not a record", {}
    if not spelled:
        return "not a record as it was written", {}
    if entry.get("seq") != sequence:
        return f"has number {entry.get('seq')}: a record is missing, added or moved", {}
    if entry.get("prev") != previous:
        return "does not follow the record before it", {}
    # Spelled canonically, so the record without its hash is the line without these bytes.
    said = str(entry.get("hash"))
    body = raw[:-1].replace(f',"hash":{json.dumps(said)}'.encode(), b"", 1)
    if hashlib.sha256(_DOMAIN + body).hexdigest() != said:
        return "was changed", {}
    return "", entry
