#!/usr/bin/env python3
"""Verifies an audit record of Negahban without Negahban: Python's standard library and nothing else.

    python3 verify_audit.py audit.jsonl [--key HEX]... [--copies FOLDER]... [--anchor SEQ:HASH]... [--json]

The record is one JSON object a line. Each has `seq` (0, 1, 2, …), `prev` (the `hash` of the record before; sixty-four
zeros for the first) and `hash`: SHA-256 over the bytes `negahban/audit/1`, a newline, and the record without `hash` in
canonical JSON (keys sorted, no spaces, ASCII escapes).

A seal (event `audit.sealed`) is an Ed25519 signature under everything before it: `size` records, of which the last has
the hash `head` and the first the hash `chain`. What is signed is `negahban/seal/1`, a newline, and the canonical JSON
of at, chain, head, key, size. `--key` is the public key you trust (`negahban audit key` prints it): ask somebody other
than whoever gave you the record. Without it, who made the seals is not known, and that is said.

Another key takes over by a record (event `audit.key`) that both have signed: `negahban/audit-key/1`, a newline, and the
canonical JSON of at, chain, former, head, key, size. Trusting one is enough; ten minutes later the former is over.

A copy or an anchor is a number and a hash that stand somewhere else: in the name of a copy (`audit/<chain>/FIRST-SIZE-
HASH.jsonl` in the bucket, locked), in a channel, in a printout. What was cut off or rewritten since then shows; what
comes after the last one is reported as not anchored. An export (`negahban audit export`) says first which records it
holds, and must end with a seal. Exit codes: 0 clean, 1 tampered with, 2 incomplete (the last line is cut), 3 wrong use.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
READING = json.JSONDecoder(parse_float=int, parse_constant=int)  # which refuses both: neither is in canonical JSON
SPELLING = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
EARLIEST, BACKWARDS, LATE = datetime(2, 1, 1, tzinfo=UTC), timedelta(seconds=2), timedelta(minutes=10)
DESTROYS = re.compile(r"restore\.(run|undo)|rotate\.(?!pause$|reencrypt$).*|access\..*|runbook\.destroy")
COPY = re.compile(r"[0-9]{12}-([0-9]{12})-([0-9a-f]{64})\.jsonl")
CHECKED_SEALS = 100  # the newest ones: pure Python takes milliseconds for each, and one vouches for all before it

# -- Ed25519, RFC 8032, section 6 (verification only: nothing here is secret, so nothing need take constant time) ------
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(one: Point, two: Point) -> Point:
    """Their sum."""
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(numbers: tuple[int, int], points: tuple[Point, Point]) -> Point:
    """The sum of the two points, each added so often: both in one walk over the bits (Straus)."""
    steps = ((0, 1, 1, 0), points[0], points[1], add(*points))
    found: Point = steps[0]
    for bit in range(max(numbers).bit_length() - 1, -1, -1):
        found = add(found, found)
        if which := (numbers[0] >> bit & 1) | (numbers[1] >> bit & 1) << 1:
            found = add(found, steps[which])
    return found


@cache
def point_of(data: bytes) -> Point | None:
    """None for bytes that are no point."""
    y, odd = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        return None
    return (x := P - x if x & 1 != odd else x), y, 1, x * y % P


BASE = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is the one of this public key under this message."""
    a, s = point_of(key) if len(key) == 32 else None, int.from_bytes(signature[32:], "little")
    if a is None or BASE is None or len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, _ = times((s, k), (BASE, (P - a[0], a[1], a[2], P - a[3])))  # what R must be: sB - kA
    small = pow(z, -1, P)
    return (y * small % P | (x * small % P & 1) << 255).to_bytes(32, "little") == signature[:32]


# -- the record --------------------------------------------------------------------------------------------------------
class Tampered(Exception):
    """The record is not what was written; the text says where and how."""


def checked(raw: bytes, sequence: int, previous: str, seen: dict[str, int]) -> dict[str, Any]:
    """The record, if it is the next one. Raises Tampered with the kind of damage."""
    try:
        entry = READING.decode(text := raw.decode("ascii")[:-1])
    except (ValueError, RecursionError):
        raise Tampered(f"record {sequence}: not JSON") from None
    if not isinstance(entry, dict) or SPELLING.encode(entry) != text:
        raise Tampered(f"record {sequence}: not spelled as it was written")
    # Spelled canonically, so the record without its hash is the line without these bytes.
    said = str(entry.get("hash"))
    body = text.replace(f',"hash":"{said}"', "", 1)
    own = hashlib.sha256(f"negahban/audit/1\n{body}".encode()).hexdigest()
    if own != said:
        raise Tampered(f"record {sequence}: edited")
    number = entry.get("seq")
    if number != sequence:
        later = isinstance(number, int) and not isinstance(number, bool) and number > sequence
        what = f"missing: {number - sequence} records are not here" if later else "added or reordered"
        what = f"repeated or reordered: it is record {seen[own]} again" if own in seen else what
        raise Tampered(f"record {sequence}: {what}: it says that it is record {number}")
    if entry.get("prev") != previous:
        raise Tampered(f"record {sequence}: forked: it follows another record than the one before it")
    return entry


def fits(key: str, kind: str, said: dict[str, Any], signature: str) -> bool:
    """Whether the signature is the one of this key under what is said, both in hex."""
    message = f"negahban/{kind}/1\n{SPELLING.encode(said)}".encode()
    try:
        return signed(bytes.fromhex(key), message, bytes.fromhex(signature))
    except (ValueError, TypeError):
        return False


def moment(number: int, value: object) -> datetime:
    """When. Raises Tampered."""
    try:
        return max(datetime.fromisoformat(str(value)), EARLIEST)  # TypeError without a zone
    except (TypeError, ValueError):
        raise Tampered(f"record {number}: has no time") from None


class Seals:
    """Every seal is in its place, and the newest ones are signed by a key that is trusted."""

    def __init__(self, keys: set[str], chain: str) -> None:
        self.keys, self.chain, self.found = set(keys), chain, list[tuple[int, dict[str, Any], dict[str, Any]]]()
        self.links, self.left = list[tuple[str, str]](), dict[str, datetime]()

    def tell(self, number: int, entry: dict[str, Any], latest: datetime) -> None:
        """One more record. `latest`: of the records' times; whoever holds a former key can sign any other."""
        self.chain, self.latest = self.chain or str(entry["hash"]), latest
        what, by, tell = {
            "audit.sealed": ("a seal", {"key": "signature"}, self._sealed),
            "audit.key": ("a change of the key", {"former": "before", "key": "after"}, self._handed_over),
        }.get(str(entry.get("event")), ("", {}, None))
        if tell is None:
            return
        facts = entry.get("facts")
        if not isinstance(facts, dict) or set(facts) != {"at", "chain", "head", "size", *by, *by.values()}:
            raise Tampered(f"record {number}: {what} that cannot be read")
        if (facts["chain"], facts["size"], facts["head"]) != (self.chain, number, entry["prev"]):
            raise Tampered(f"record {number}: {what} of another record or another place")
        tell(number, facts, {name: facts[name] for name in facts if name not in by.values()})

    def _sealed(self, number: int, facts: dict[str, Any], said: dict[str, Any]) -> None:
        at = max(moment(number, facts["at"]), self.latest)
        if facts["key"] in self.left and at - self.left[facts["key"]] > LATE:
            raise Tampered(f"record {number}: sealed with a key that another one had taken over from: {facts['key']}")
        self.found.append((number, facts, said))

    def _handed_over(self, number: int, facts: dict[str, Any], said: dict[str, Any]) -> None:
        if not all(fits(facts[a], "audit-key", said, facts[b]) for a, b in (("former", "before"), ("key", "after"))):
            raise Tampered(f"record {number}: a change of the key that one of both did not sign")
        self.links.append((facts["former"], facts["key"]))
        self.left[facts["former"]] = moment(number, facts["at"])
        self.left.pop(facts["key"], None)

    def check(self) -> int:
        """How many records the newest seal vouches for."""
        for pair in self.links * len(self.links):  # as often as there can be one more
            self.keys |= set(pair) if self.keys & set(pair) else set()
        for number, facts, _ in self.found:
            if self.keys and facts["key"] not in self.keys:
                raise Tampered(f"record {number}: sealed with a key that you do not trust: {facts['key']}")
        for number, facts, said in self.found[-CHECKED_SEALS:]:
            if not fits(facts["key"], "seal", said, facts["signature"]):
                raise Tampered(f"record {number}: a seal whose signature is wrong")
        return self.found[-1][0] if self.found else 0


class Story:
    """What the records say together: nothing destroys without a code, and what begins ends."""

    def __init__(self) -> None:
        self.warnings, self.begun, self._codes = list[str](), dict[str, int](), set[tuple[str, str]]()
        self.latest = EARLIEST

    def tell(self, number: int, entry: dict[str, Any], *, whole: bool) -> None:
        """One more record. `whole`: what was before is here too."""
        at, facts = moment(number, entry.get("ts")), entry.get("facts")
        if at < self.latest - BACKWARDS:
            self.warnings.append(f"record {number}: the clock went back by {(self.latest - at).total_seconds():.0f} s")
        self.latest = max(self.latest, at)
        job = str(facts.get("job", "")) if isinstance(facts, dict) else ""
        event, digest, operation = (str(entry.get(name, "")) for name in ("event", "digest", "operation"))
        if event == "code.accepted":
            self._codes.add((job, digest))
        elif event == "job.started":
            self.begun[job] = number
            if whole and DESTROYS.fullmatch(operation) and (job, digest) not in self._codes:
                self.warnings.append(f"record {number}: {operation} began without a code for its plan")
        elif event == "job.ended":
            self.begun.pop(job, None)


def verify(source: Iterator[bytes], anchors: dict[int, str], keys: set[str]) -> dict[str, Any]:
    """What was found. Raises Tampered at the first record that does not fit."""
    part = json.loads(first).get("export") if (first := next(source, b"")).startswith(b'{"export":') else None
    begin = count = 0 if part is None else int(part["first"])
    head, seen, story, torn = GENESIS if part is None else str(part["prev"]), dict[str, int](), Story(), False
    seals = Seals(keys, "" if part is None else str(part["chain"]))
    for raw in chain([first] if first and part is None else [], source):
        if torn := not raw.endswith(b"\n"):
            break
        entry = checked(raw, count, head, seen)
        head = str(entry["hash"])
        if count in anchors and anchors[count] != head:
            raise Tampered(f"record {count}: rewritten: the anchor says {anchors[count][:16]}…, it is {head[:16]}…")
        story.tell(count, entry, whole=begin == 0)
        seals.tell(count, entry, story.latest)
        seen[head], count = count, count + 1
    if part is not None and not torn and (count <= part["last"] or not seals.found or seals.found[-1][0] != count - 1):
        raise Tampered(f"truncated: an export through record {part['last']} must go on to a seal; it ends at {count}")
    beyond = max((number for number in anchors if number >= count), default=-1)
    if part is not None:
        story.warnings.insert(0, f"this is an EXPORT; the record goes on{f' to {beyond} at least' * (beyond >= 0)}")
    elif beyond >= 0 and not torn:
        raise Tampered(f"truncated: an anchor is for record {beyond}, and there are {count} records")
    anchored = max((number for number in anchors if begin <= number < count), default=begin - 1) + 1
    return {"first": begin, "records": count - begin, "head": head, "torn": torn, "sealed": seals.check(),
            "keys": sorted({str(facts["key"]) for _, facts, _ in seals.found}), "trusted": bool(keys),
            "anchored": anchored - begin, "not_anchored": count - anchored,
            "warnings": story.warnings, "without_result": sorted(story.begun.values())}  # fmt: skip


def elsewhere(anchors: list[str], folders: list[Path]) -> dict[int, str]:
    """The anchors that were given, and those that names of copies are. Raises Tampered when they contradict."""
    pairs = [(int(number), value) for number, _, value in (each.partition(":") for each in anchors)]
    names = (COPY.fullmatch(path.name) for folder in folders for path in sorted(folder.iterdir()))
    found: dict[int, str] = {}
    for number, value in [*pairs, *((int(each[1]) - 1, each[2]) for each in names if each)]:
        if found.setdefault(number, value) != value:
            raise Tampered(f"record {number}: forked: two copies have different records with this number")
    return found


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", action="append", default=[], metavar="HEX")
    parser.add_argument("--copies", action="append", default=[], metavar="FOLDER", type=Path)
    parser.add_argument("--anchor", action="append", default=[], metavar="SEQ:HASH")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    try:
        given = parser.parse_args()
        with given.path.open("rb") as file:
            found = verify(iter(file), elsewhere(given.anchor, given.copies), set(given.key))
    except Tampered as damage:
        print(f"TAMPERED: {damage}")
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 3
    except SystemExit as stop:
        return 3 if stop.code else 0
    print(json.dumps(found, indent=2) if given.json else _spelled(found))
    return 2 if found["torn"] else 0


def _spelled(found: dict[str, Any]) -> str:
    keys = ", ".join(found["keys"])
    trust = "which you trust" if found["trusted"] else "and nobody said (--key) whether that is the bot's: ASK"
    rows = [
        f"{found['records']} records from number {found['first']} on, in order. The last hash is {found['head']}.",
        f"{found['anchored']} of them are covered by anchors; {found['not_anchored']} are not.",
        f"sealed through number {found['sealed'] - 1} with {keys}, {trust}." if keys else "NOT SEALED.",
        *(f"look at this: {warning}" for warning in found["warnings"]),
        *(f"record {number} began something that has no result" for number in found["without_result"]),
        *(["INCOMPLETE: the last line is cut."] if found["torn"] else []),
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
