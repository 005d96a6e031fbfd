#!/usr/bin/env python3
"""Verifies an audit record of Negahban without Negahban: Python's standard library and nothing else.

    python3 verify_audit.py audit.jsonl [--anchor SEQ:HASH]... [--json]

The record is one JSON object a line. Each has `seq` (0, 1, 2, …), `prev` (the `hash` of the record before; sixty-four
zeros for the first) and `hash`: SHA-256 over the bytes `negahban/audit/1`, a newline, and the record without `hash` in
canonical JSON (keys sorted, no spaces, ASCII escapes).

An anchor is a number and a hash that were written down somewhere else (a channel, a ticket, a printout) at some time:
whatever was cut off or rewritten since then shows. What comes after the last anchor is reported as not anchored: it may
have been rewritten by whoever could write the file.

Exit codes: 0 clean, 1 tampered with, 2 incomplete (the last line is cut), 3 wrong use.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

GENESIS = "0" * 64
BACKWARDS = timedelta(seconds=2)
DESTROYS = ("restore.", "rotate.")


class Tampered(Exception):
    """The record is not what was written; the text says where and how."""


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def lines(path: Path) -> Iterator[bytes]:
    """With their ends."""
    with path.open("rb") as file:
        yield from file


def checked(raw: bytes, sequence: int, previous: str, seen: dict[str, int]) -> dict[str, object]:
    """The record, if it is the next one. Raises Tampered with the kind of damage."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        raise Tampered(f"record {sequence}: not JSON") from None
    if not isinstance(entry, dict) or canonical(entry) + b"\n" != raw:
        raise Tampered(f"record {sequence}: not spelled as it was written")
    # Spelled canonically, so the record without its hash is the line without these bytes.
    said = str(entry.get("hash"))
    body = raw[:-1].replace(f',"hash":{json.dumps(said)}'.encode(), b"", 1)
    own = hashlib.sha256(b"negahban/audit/1\n" + body).hexdigest()
    if own != said:
        raise Tampered(f"record {sequence}: edited")
    number = entry.get("seq")
    if number != sequence:
        raise Tampered(f"record {sequence}: {_misplaced(number, sequence, own, seen)}")
    if entry.get("prev") != previous:
        raise Tampered(f"record {sequence}: forked: it follows another record than the one before it")
    return entry


def _misplaced(number: object, sequence: int, own: str, seen: dict[str, int]) -> str:
    if own in seen:
        return f"repeated or reordered: it is record {seen[own]} again"
    if isinstance(number, int) and not isinstance(number, bool) and number > sequence:
        return f"missing: {number - sequence} records are not here"
    return f"added or reordered: it says it is record {number}"


def verify(source: Iterator[bytes], anchors: dict[int, str]) -> dict[str, object]:
    """What was found. Raises Tampered at the first record that does not fit."""
    count, head, last = 0, GENESIS, None
    seen: dict[str, int] = {}
    story = Story()
    torn = False
    for raw in source:
        if not raw.endswith(b"\n"):
            torn = True
            break
        entry = checked(raw, count, head, seen)
        head = str(entry["hash"])
        if count in anchors and anchors[count] != head:
            raise Tampered(f"record {count}: rewritten: the anchor says {anchors[count][:16]}…, it is {head[:16]}…")
        moment = _moment(entry.get("ts"), count)
        if last is not None and moment < last - BACKWARDS:
            story.warnings.append(f"record {count}: the clock went back by {(last - moment).total_seconds():.0f} s")
        last = moment if last is None else max(last, moment)
        story.tell(count, entry)
        seen[head] = count
        count += 1
    beyond = [number for number in anchors if number >= count]
    if beyond:
        raise Tampered(f"truncated: an anchor is for record {max(beyond)}, and there are {count} records")
    anchored = max(anchors, default=-1) + 1
    return {"records": count, "head": head, "torn": torn, "anchored": anchored, "not_anchored": count - anchored,
            **story.told()}  # fmt: skip


def _moment(value: object, number: int) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise Tampered(f"record {number}: has no time") from None


class Story:
    """What the records say together: nothing destroys without a code, and what begins ends."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._open: dict[str, int] = {}
        self._codes: set[tuple[str, str]] = set()

    def tell(self, number: int, entry: dict[str, object]) -> None:
        """One more record."""
        facts = entry.get("facts")
        job = str(facts.get("job", "")) if isinstance(facts, dict) else ""
        event, digest = entry.get("event"), str(entry.get("digest", ""))
        if event == "code.accepted":
            self._codes.add((job, digest))
        elif event == "job.started":
            self._open[job] = number
            if str(entry.get("operation", "")).startswith(DESTROYS) and (job, digest) not in self._codes:
                self.warnings.append(f"record {number}: {entry.get('operation')} began without a code for its plan")
        elif event == "job.ended":
            self._open.pop(job, None)

    def told(self) -> dict[str, object]:
        """For the report."""
        return {"warnings": self.warnings, "without_result": sorted(self._open.values())}


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--anchor", action="append", default=[], metavar="SEQ:HASH")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    try:
        given = parser.parse_args()
        anchors = {int(number): value for number, _, value in (each.partition(":") for each in given.anchor)}
        found = verify(lines(given.path), anchors)
    except Tampered as damage:
        print(f"TAMPERED: {damage}")
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 3
    except SystemExit as stop:
        return 3 if stop.code else 0
    print(json.dumps(found, indent=2) if given.json else _spelled(found))
    return 2 if found["torn"] else 0


def _spelled(found: dict[str, object]) -> str:
    def each(name: str) -> list[object]:
        listed = found[name]
        return list(listed) if isinstance(listed, list) else []

    rows = [
        f"{found['records']} records, in order. The last hash is {found['head']}.",
        f"{found['anchored']} of them are covered by anchors; {found['not_anchored']} are not.",
        *(f"look at this: {warning}" for warning in each("warnings")),
        *(f"record {number} began something that has no result" for number in each("without_result")),
        *(["INCOMPLETE: the last line is cut."] if found["torn"] else []),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
