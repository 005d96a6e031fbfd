"""Evidence: what was seen when a backup was checked, kept beside it in receipts that never change.

- A receipt is canonical JSON that carries its own digest; handlers.core.backups.dossiers says where it lives.
- Levels: 0 it is there; 1 its SHA-256 fits; 2 it unpacks to an archive that holds what the manifest says; 3 it was
  restored and compared. A scrub goes to 2, a drill to 3. `level` is the one the verdict was found at.
- Only what was proved against a backup is a FAIL. What could not be brought to its end leaves no receipt.
- A failed check quarantines its backup until a later one passes at its level or above. A damaged receipt proves
  nothing and hides nothing: it is named, and its backup is not good while it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.digests import Json, canonical, digest
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

SCHEMA = 1
READY = ("start", "load", "replay", "indexes", "compare")
"""The stages of a drill after which the data could be used."""


class Check(Enum):
    """How a backup was looked at."""

    SCRUB = "scrub"
    DRILL = "drill"


CHECKS = {Check.SCRUB: Text("scrub"), Check.DRILL: Text("drill")}


class Verdict(Enum):
    """What is known afterwards."""

    PASS = "pass"  # noqa: S105 a word, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a question of the team found. `reason` is empty for a PASS."""

    collection: str
    verdict: Verdict
    reason: str = ""

    def to_json(self) -> Json:
        """For receipts."""
        return {"collection": self.collection, "verdict": self.verdict.value, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Moment:
    """What a drill found that went on to the newest moment that the saved oplog leads to from its backup. `until`: that
    moment, as an optime is written; `changes`: what was replayed; `documents`: what was there then. It says nothing
    about the backup itself. `reason` is empty for a PASS."""

    until: str
    slices: int
    verdict: Verdict
    reason: str = ""
    changes: int = 0
    documents: int = 0
    milliseconds: int = 0
    hashes: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """For receipts."""
        return {
            "until": self.until,
            "slices": self.slices,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "changes": self.changes,
            "documents": self.documents,
            "milliseconds": self.milliseconds,
            "hashes": dict(self.hashes),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Moment:
        """Raises KeyError, TypeError or ValueError."""
        return Moment(
            until=str(OpTime.parse(data["until"])),
            slices=int(data["slices"]),
            verdict=Verdict(data["verdict"]),
            reason=str(data["reason"]),
            changes=int(data["changes"]),
            documents=int(data["documents"]),
            milliseconds=int(data["milliseconds"]),
            hashes={str(name): str(value) for name, value in data["hashes"].items()},
        )

    @property
    def time(self) -> datetime:
        """The second it is in."""
        return OpTime.parse(self.until).moment

    @property
    def ready_seconds(self) -> float:
        """How long it took until the data of that moment could be used."""
        return self.milliseconds / 1000


@dataclass(frozen=True, slots=True)
class Evidence:
    """One receipt. `manifest`: the SHA-256 of the manifest that was checked against; `stages`: milliseconds each;
    `hashes`: dbHash by collection; `server`: the scratch server's version; `moment`: None where no saved oplog leads
    on. `reason` is empty for a PASS."""

    backup: BackupId
    target: TargetName
    check: Check
    level: int
    verdict: Verdict
    reason: str
    made: datetime
    by: str
    surface: str
    job: JobId
    manifest: str
    stages: tuple[tuple[str, int], ...]
    collections: int
    documents: int
    stored_bytes: int
    data_bytes: int
    server: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[Answered, ...] = ()
    moment: Moment | None = None

    @property
    def seconds(self) -> float:
        """How long all of it took."""
        return sum(milliseconds for _, milliseconds in self.stages) / 1000

    @property
    def ready_seconds(self) -> float:
        """How long a drill took until the data could be used: the recovery time to expect."""
        return sum(milliseconds for name, milliseconds in self.stages if name in READY) / 1000

    def to_bytes(self) -> bytes:
        """The stored form."""
        body: dict[str, Json] = {
            "schema": SCHEMA,
            "backup": self.backup,
            "target": self.target,
            "check": self.check.value,
            "level": self.level,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "made": self.made.isoformat(),
            "by": self.by,
            "surface": self.surface,
            "job": self.job,
            "manifest": self.manifest,
            "stages": [[name, milliseconds] for name, milliseconds in self.stages],
            "collections": self.collections,
            "documents": self.documents,
            "stored_bytes": self.stored_bytes,
            "data_bytes": self.data_bytes,
            "server": self.server,
            "hashes": dict(self.hashes),
            "answers": [each.to_json() for each in self.answers],
        }
        if self.moment is not None:
            body["moment"] = self.moment.to_json()
        return canonical({**body, "digest": digest("evidence", body)})

    @staticmethod
    def from_bytes(stored: bytes) -> Evidence:
        """Raises Damage for what is not a receipt, was changed, or has a schema this version does not know."""
        try:
            return _parsed(json.loads(stored))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise Damage(Text("A receipt of a check is damaged ({reason}).", reason=str(error))) from error


def _parsed(data: Mapping[str, Any]) -> Evidence:
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']}")
    body = {key: value for key, value in data.items() if key != "digest"}
    if digest("evidence", body) != data["digest"]:
        raise ValueError("its digest does not fit")
    made = datetime.fromisoformat(data["made"])
    if made.utcoffset() is None:
        raise ValueError("its time has no zone")
    return Evidence(
        backup=BackupId(data["backup"]),
        target=TargetName(data["target"]),
        check=Check(data["check"]),
        level=int(data["level"]),
        verdict=Verdict(data["verdict"]),
        reason=str(data["reason"]),
        made=made.astimezone(UTC),
        by=str(data["by"]),
        surface=str(data["surface"]),
        job=JobId(data["job"]),
        manifest=str(data["manifest"]),
        stages=tuple((str(name), int(milliseconds)) for name, milliseconds in data["stages"]),
        collections=int(data["collections"]),
        documents=int(data["documents"]),
        stored_bytes=int(data["stored_bytes"]),
        data_bytes=int(data["data_bytes"]),
        server=str(data["server"]),
        hashes={str(name): str(value) for name, value in data["hashes"].items()},
        answers=tuple(
            Answered(str(each["collection"]), Verdict(each["verdict"]), str(each["reason"])) for each in data["answers"]
        ),
        moment=Moment.from_json(data["moment"]) if "moment" in data else None,
    )


class Standing(Enum):
    """Whether a backup may be relied upon."""

    GOOD = "good"
    QUARANTINED = "quarantined"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A standing and why."""

    standing: Standing
    reason: Text


@dataclass(frozen=True, slots=True)
class History:
    """Receipts, oldest first, and the keys of those that cannot be read."""

    evidence: tuple[Evidence, ...]
    damaged: tuple[str, ...] = ()

    def last(self, check: Check, *, good: bool = False) -> Evidence | None:
        """The newest of its kind; `good`: the newest that passed."""
        found = [each for each in self.evidence if each.check is check]
        return next((each for each in reversed(found) if not good or each.verdict is Verdict.PASS), None)

    def last_moment(self) -> Evidence | None:
        """The newest drill that reached a moment after its backup."""
        reached = (each for each in reversed(self.evidence) if each.moment is not None)
        return next((each for each in reached if each.moment and each.moment.verdict is Verdict.PASS), None)

    def of(self, backup: BackupId) -> History:
        """What is about one backup."""
        return History(
            tuple(each for each in self.evidence if each.backup == backup),
            tuple(key for key in self.damaged if f"/{backup}/" in key),
        )


def judged(history: History) -> Judgement:
    """What all receipts of one backup say together."""
    standing_failure: Evidence | None = None
    for each in history.evidence:
        if each.verdict is Verdict.FAIL and (standing_failure is None or each.level >= standing_failure.level):
            standing_failure = each
        elif standing_failure is not None and each.verdict is Verdict.PASS and each.level >= standing_failure.level:
            standing_failure = None
    if standing_failure is not None:
        text = Text(
            "its {check} failed at {time}: {reason}", **_words(standing_failure), reason=standing_failure.reason
        )
        return Judgement(Standing.QUARANTINED, text)
    if history.damaged:
        return Judgement(Standing.UNPROVED, Text("a receipt is damaged: {key}", key=Code(history.damaged[0])))
    passed = [each for each in history.evidence if each.verdict is Verdict.PASS]
    if not passed:
        return Judgement(Standing.UNPROVED, Text("no check of it has passed yet"))
    best = max(passed, key=lambda each: (each.level, each.made))
    return Judgement(Standing.GOOD, Text("its {check} passed at {time}", **_words(best)))


def _words(evidence: Evidence) -> dict[str, Any]:
    return {"check": CHECKS[evidence.check], "time": evidence.made}
