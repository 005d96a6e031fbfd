"""A segment: a stretch of the audit record in the artifact store, locked, where whoever owns the host cannot reach it.

- `audit/<chain>/<first>-<size>-<head>.jsonl`: the records from `first` up to (not including) `size`, as they are in the
  file. `head` is the hash of the last of them, so that a listing alone is a list of anchors.
- `chain` is the beginning of the hash of the very first record: every host's record has its own folder.
- Where the store locks, each is locked for as long as asked. Nothing is ever overwritten.
- A record that lacks what a segment has was truncated; one that has another hash there was rewritten or forked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from handlers.core.ports import ArtifactStore

FOLDER = "audit/"
CHAIN_CHARACTERS = 32
_KEY = re.compile(r"audit/([0-9a-f]{32})/([0-9]{12})-([0-9]{12})-([0-9a-f]{64})\.jsonl")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """See the module."""

    chain: str
    first: int
    size: int
    head: str

    @property
    def key(self) -> str:
        """Where it is."""
        return f"{FOLDER}{self.chain}/{self.first:012d}-{self.size:012d}-{self.head}.jsonl"


class Archive:
    """The segments of a store. `days`: how long they are locked where that is possible; 0: not at all. Everything
    raises OutsideError."""

    def __init__(self, store: ArtifactStore, days: int = 0) -> None:
        self._store = store
        self._days = days

    def segments(self, chain: str = "") -> tuple[Segment, ...]:
        """Those of one chain (its first hash), or of all, in order."""
        prefix = f"{FOLDER}{chain[:CHAIN_CHARACTERS]}/" if chain else FOLDER
        found = (_KEY.fullmatch(artifact.key) for artifact in self._store.list(prefix))
        return tuple(sorted(Segment(each[1], int(each[2]), int(each[3]), each[4]) for each in found if each))

    def newest(self, chain: str) -> tuple[Segment, datetime] | None:
        """The one of that chain that reaches furthest, and when the store says it was made."""
        listed = self._store.list(f"{FOLDER}{chain[:CHAIN_CHARACTERS]}/")
        found = [(int(match[3]), each, match) for each in listed if (match := _KEY.fullmatch(each.key))]
        if not found:
            return None
        _, artifact, match = max(found, key=lambda each: each[0])
        return Segment(match[1], int(match[2]), int(match[3]), match[4]), artifact.modified

    def put(self, segment: Segment, lines: Iterable[bytes]) -> None:
        """Stores it, if it is not there."""
        until = None
        if self._days and self._store.locking().possible:
            until = self._store.moment() + timedelta(days=self._days)
        self._store.put_new(segment.key, b"".join(lines), lock_until=until)

    def lines(self, chain: str) -> Iterator[bytes]:
        """The record as the segments have it, from its beginning."""
        size = 0
        for segment in self.segments(chain):
            data = b"".join(self._store.read(segment.key))
            for number, line in enumerate(data.splitlines(keepends=True), start=segment.first):
                if number >= size:
                    yield line
            size = max(size, segment.size)

    def describe(self) -> str:
        """Where, for people."""
        return self._store.describe()


@dataclass(slots=True)
class Anchors:
    """Compares a record with what stands elsewhere while it is read (handlers.core.audit.verify). `hashes`: of the
    record with that number."""

    hashes: Mapping[int, frozenset[str]]
    covered: int = 0

    def __call__(self, number: int, entry: Mapping[str, Any]) -> str:
        """What is wrong with this record; empty: nothing."""
        expected = self.hashes.get(number)
        if expected is None:
            return ""
        if len(expected) > 1:
            return "the copies elsewhere contradict each other: the record was forked"
        if entry["hash"] not in expected:
            return "is not the one that was copied elsewhere: it was rewritten, or the record was forked"
        self.covered = number + 1
        return ""

    def missing(self, records: int) -> str:
        """What is wrong with a record that ends there; empty: nothing."""
        beyond = max((number for number in self.hashes if number >= records), default=None)
        if beyond is None:
            return ""
        return f"the end is missing: a copy elsewhere has {beyond + 1} records, and there are {records}"


def anchors(segments: Iterable[Segment]) -> Anchors:
    """What the names of segments say."""
    hashes: dict[int, frozenset[str]] = {}
    for each in segments:
        hashes[each.size - 1] = hashes.get(each.size - 1, frozenset()) | {each.head}
    return Anchors(hashes)
