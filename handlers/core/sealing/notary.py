"""The notary: seals the audit record and brings copies of it where whoever owns the host cannot reach them.

- What was written is sealed within a minute, and at once after somebody confirmed something with a code.
- What was sealed is in the archive within an hour, after a code at once, at most 10,000 records in one segment. The
  head goes to the channel at its own pace (heads).
- Every hour, and before anything is archived, the whole record is examined. One that was changed, cut off or put in the
  place of another is an alarm for as long as it is so, and nothing more of it is archived. Another record in its place,
  however whole, does not end the alarm; a restart of the bot, which somebody did, does.
- Any number of notaries may look after one record: it is sealed under its lock, and segments may overlap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.ports import Clock
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.handovers import Signer
from handlers.core.sealing.heads import Heads
from handlers.core.sealing.seals import Seal, read
from handlers.core.sealing.segments import CHAIN_CHARACTERS, Archive, Segment
from handlers.core.words.answers import Actor, TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

LOOK_SECONDS = 10.0
SEAL_SECONDS = 60.0
ARCHIVE_SECONDS = 3600.0
MOST = 10_000
URGENT = b'"event":"code.accepted"'
ALARM = "audit.tampered"
TARGET = TargetName("audit")


class Record(Protocol):
    """The audit record, as the notary needs it. Raises Refusal without a file, or when it became shorter."""

    def seal(self, signer: Signer, former: Sequence[Signer] = ()) -> Seal | None:
        """Seals what is there, handed over by the one that did before; None when nothing is new. Raises
        OutsideError."""

    def lines(self, start_bytes: int = 0) -> Iterator[bytes]:
        """What was written after that place."""


@dataclass(frozen=True, slots=True)
class Office:
    """What a notary works with. `signers`: who seals now, then who did before and can still hand over; `actor`,
    `channel`: who raises an alarm, and where; `heads`: None, no channel is told."""

    signers: Callable[[], Sequence[Signer]]
    archive: Archive
    examine: Examiner
    heads: Heads | None
    alarms: Alarms
    clock: Clock
    actor: Actor
    channel: str


class Notary:
    """See the module."""

    def __init__(self, record: Record, office: Office) -> None:
        self._record = record
        self._office = office
        self._read_bytes = 0
        self._newest: Seal | None = None
        self._urgent = False
        self._blamed = ""
        self._times: dict[str, float] = {}

    def round(self) -> None:
        """One look, every ten seconds. Raises OutsideError; the next round goes on."""
        if not self._time("look", LOOK_SECONDS):
            return
        try:
            self._look()
            if self._urgent or self._time("seal", SEAL_SECONDS):
                signer, *former = self._office.signers()
                self._newest = self._record.seal(signer, former) or self._newest
            seal = self._newest
            if seal is None:
                return
            if self._urgent or self._time("archive", ARCHIVE_SECONDS):
                self._bring(seal)
        except Refusal as refusal:
            if self._read_bytes:  # there was one
                self._tampered(str(refusal.text))
            return
        if self._office.heads is not None:
            self._office.heads.tell(seal)

    def _look(self) -> None:
        """What is new: something that must not wait, a seal that another made."""
        for raw in self._record.lines(self._read_bytes):
            if not raw.endswith(b"\n"):
                return
            self._urgent |= URGENT in raw
            if b'"audit.sealed"' in raw:
                self._newest = _seal(raw) or self._newest
            self._read_bytes += len(raw)

    def _bring(self, seal: Seal) -> None:
        """Examines everything and archives what is new up to the seal."""
        office = self._office
        there = max((each.size for each in office.archive.segments(seal.chain)), default=0)
        new: list[bytes] = []
        verdict = office.examine(_kept(self._record.lines(), there, seal.size + 1, new))
        if verdict.problem:
            self._tampered(verdict.problem)
            return
        for begin in range(0, len(new), MOST):
            piece = new[begin : begin + MOST]
            head = str(json.loads(piece[-1])["hash"])
            first = there + begin
            office.archive.put(Segment(seal.chain[:CHAIN_CHARACTERS], first, first + len(piece), head), piece)
        self._urgent = False
        if self._blamed in {"", seal.chain} and office.alarms.raised(ALARM, TARGET):
            office.alarms.over(ALARM, TARGET, Text("The audit record is in order again."), office.actor)
            self._blamed = ""

    def _tampered(self, problem: str) -> None:
        self._read_bytes = 0  # begin anew: somebody will have put something in its place
        if self._newest is not None and not self._blamed:
            self._blamed = self._newest.chain
        text = Text("{problem}. Nothing more of it is copied until somebody looked.", problem=problem)
        alarm = Alarm(ALARM, ALARM, TARGET, text, {"problem": problem}, recorded=False)
        self._office.alarms.lasts(alarm, self._office.actor, self._office.channel)

    def _time(self, what: str, seconds: float) -> bool:
        """Whether so much time has gone since it last said yes."""
        now = self._office.clock.monotonic()
        if what in self._times and now - self._times[what] < seconds:
            return False
        self._times[what] = now
        return True


def _kept(lines: Iterable[bytes], first: int, end: int, kept: list[bytes]) -> Iterator[bytes]:
    """The lines, while those from `first` up to `end` are kept."""
    for number, raw in enumerate(lines):
        if first <= number < end:
            kept.append(raw)
        yield raw


def _seal(raw: bytes) -> Seal | None:
    try:
        entry: Any = json.loads(raw)
        return read(entry)
    except (ValueError, AttributeError, RecursionError):
        return None
