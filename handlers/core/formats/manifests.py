"""A manifest: what a backup is. A backup exists when its manifest does; it is written last and never changed.

- Options and index definitions are kept as canonical Extended JSON text, because no checksum inside a mongodump
  archive covers them: `fingerprint` does (docs/adr, backup pipeline).
- With a `slice`, the backup is the database at one moment, the slice's end: it is replayed over what was dumped.
  Without one, documents are from while it was dumped, and `torn` says why.
- `incomplete` decides whether a dump is whole. A killed mongodump writes a structurally perfect, partial archive,
  so only all of these together prove it: it ended with 0; every namespace it announced is reported done; the
  count it reports is the count we walked; and there is something in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from handlers.core.formats.objects import KeyNeeds, Packing, Slice, Stored, counted
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.digests import Json, canonical, digest
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

SCHEMA = 2


class CollectionKind(Enum):
    """What MongoDB's listCollections calls `type`."""

    COLLECTION = "collection"
    VIEW = "view"
    TIMESERIES = "timeseries"


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """One collection: its name without the database, and its definition.

    `options` is the canonical Extended JSON of listCollections' options; `indexes` that of each index, sorted by
    name, without `v`, `ns` and `background`. `documents` counts what is stored: for a time-series, its buckets.
    """

    name: str
    kind: CollectionKind
    options: str
    indexes: tuple[str, ...]
    documents: int
    size_bytes: int = 0

    @property
    def fingerprint(self) -> str:
        """Covers the definition, not the documents."""
        return digest("collection", [self.name, self.kind.value, self.options, list(self.indexes)])

    def to_json(self) -> dict[str, Json]:
        """For manifests and journals."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "options": self.options,
            "indexes": list(self.indexes),
            "documents": self.documents,
            "size_bytes": self.size_bytes,
            "fingerprint": self.fingerprint,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> CollectionSpec:
        """Raises KeyError, TypeError or ValueError, also when the fingerprint does not fit the definition."""
        spec = CollectionSpec(
            name=str(data["name"]),
            kind=CollectionKind(data["kind"]),
            options=str(data["options"]),
            indexes=tuple(str(index) for index in data["indexes"]),
            documents=counted(data["documents"]),
            size_bytes=counted(data["size_bytes"]),
        )
        if spec.fingerprint != data["fingerprint"]:
            raise ValueError(f"the fingerprint of {spec.name} does not fit its definition")
        return spec


@dataclass(frozen=True, slots=True)
class DumpEvidence:
    """What was seen of one run of mongodump, before anybody judged it."""

    return_code: int
    announced: tuple[CollectionSpec, ...]  # the archive's prelude; `documents` as walked in the stream
    reported: Mapping[str, int]  # collection name -> N of "done dumping … (N documents)"
    closed: frozenset[str]  # names whose stream was ended in the archive
    raw_bytes: int
    stored_bytes: int
    sha256: str
    packing: Packing
    tool: str
    server: str
    last_lines: str


def incomplete(evidence: DumpEvidence) -> Text | None:
    """Why this dump must not become a backup; None when it is whole."""
    if evidence.return_code != 0:
        return Text("mongodump ended with {code}", code=evidence.return_code)
    for spec in evidence.announced:
        name = reported_name(spec)
        if spec.kind is CollectionKind.VIEW:
            continue
        if name not in evidence.closed:
            return Text("the archive ends inside {name}", name=Code(spec.name))
        said = evidence.reported.get(name)
        if said is None:
            return Text("mongodump never said it finished {name}", name=Code(spec.name))
        if said != spec.documents:
            return Text(
                "mongodump said {said} documents in {name}, the archive holds {held}",
                said=said,
                name=Code(spec.name),
                held=spec.documents,
            )
    if not evidence.announced:
        return Text("the database is empty or its name is wrong: there was nothing to save")
    return None


def reported_name(spec: CollectionSpec) -> str:
    """The name mongodump uses in its log lines: a time-series is read through its buckets."""
    return f"system.buckets.{spec.name}" if spec.kind is CollectionKind.TIMESERIES else spec.name


class BackupKind(Enum):
    """Why a backup was made."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    PRE_RESTORE = "pre_restore"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The commit record of a backup. `deployment`: the replica set's name, empty for a single server; `surface` and
    `job`: what asked for it; `created`: when, and `began`: when the work began (None in those of before it was noted),
    which took `seconds`; `offset_seconds`: how far local time was ahead of UTC, by which its day and week count;
    `keys`: of secrets that encrypt a part of the data, which keys something was under while it was made."""

    id: BackupId
    target: TargetName
    database: str
    deployment: str
    kind: BackupKind
    created: datetime
    seconds: int
    created_by: str
    surface: str
    job: JobId
    data: Stored
    raw_bytes: int
    packing: Packing
    slice: Slice | None
    torn: str
    tool: str
    server: str
    collections: tuple[CollectionSpec, ...]
    offset_seconds: int = 0
    keys: KeyNeeds = field(default_factory=dict)
    began: datetime | None = None

    @property
    def files(self) -> tuple[Stored, ...]:
        """What it has in the store: the data first, then the slice when there is one."""
        return (self.data,) if self.slice is None else (self.data, self.slice.stored)

    @property
    def stored_bytes(self) -> int:
        """What it takes in the store."""
        return self.data.size_bytes + (0 if self.slice is None else self.slice.stored.size_bytes)

    @property
    def moment(self) -> datetime:
        """The time its data is of: one moment with a slice; else when the dump was asked for."""
        return self.created if self.slice is None else self.slice.end.moment

    @property
    def documents(self) -> int:
        """All documents (time-series: buckets), over every collection."""
        return sum(spec.documents for spec in self.collections)

    def to_bytes(self) -> bytes:
        """The stored form: canonical JSON that carries its own digest."""
        body: dict[str, Json] = {
            "schema": SCHEMA,
            "id": self.id,
            "target": self.target,
            "database": self.database,
            "kind": self.kind.value,
            "created": self.created.isoformat(),
            "offset_seconds": self.offset_seconds,
            "seconds": self.seconds,
            "created_by": self.created_by,
            "deployment": self.deployment,
            "surface": self.surface,
            "job": self.job,
            "data": self.data.to_json(),
            "raw_bytes": self.raw_bytes,
            "packing": self.packing.to_json(),
            "slice": None if self.slice is None else self.slice.to_json(),
            "torn": self.torn,
            "users_and_roles": False,
            "tool": self.tool,
            "server": self.server,
            "collections": [spec.to_json() for spec in self.collections],
        }
        if self.began is not None:
            body["began"] = self.began.isoformat()
        if self.keys:
            body["keys"] = {name: None if ids is None else list(ids) for name, ids in self.keys.items()}
        return canonical({**body, "digest": digest("manifest", body)})

    @staticmethod
    def from_bytes(stored: bytes) -> Manifest:
        """Raises Damage for what is not a manifest, was changed, or has a schema this version does not know."""
        try:
            manifest = _parsed(json.loads(stored))
            # Also what is a number where a word must be, or has a field that nobody knows.
            if manifest.to_bytes() != stored:
                raise ValueError("it is not in its one spelling")
            return manifest
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            reason = str(error)
            raise Damage(
                Text(
                    "A manifest in the store is damaged ({reason}). Do not rely on that backup.",
                    reason=reason,
                )
            ) from error


def _parsed(data: Mapping[str, Any]) -> Manifest:
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']}")
    body = {key: value for key, value in data.items() if key != "digest"}
    if digest("manifest", body) != data["digest"]:
        raise ValueError("its digest does not fit")
    return Manifest(
        id=BackupId(str(data["id"])),
        target=TargetName(str(data["target"])),
        database=str(data["database"]),
        kind=BackupKind(data["kind"]),
        created=_time(data["created"]),
        began=_time(data["began"]) if "began" in data else None,
        offset_seconds=_offset(data["offset_seconds"]),
        keys={str(name): None if ids is None else tuple(map(str, ids)) for name, ids in data.get("keys", {}).items()},
        seconds=counted(data["seconds"]),
        created_by=str(data["created_by"]),
        deployment=str(data["deployment"]),
        surface=str(data["surface"]),
        job=JobId(str(data["job"])),
        data=Stored.from_json(data["data"]),
        raw_bytes=counted(data["raw_bytes"]),
        packing=Packing.from_json(data["packing"]),
        slice=None if data["slice"] is None else Slice.from_json(data["slice"]),
        torn=str(data["torn"]),
        tool=str(data["tool"]),
        server=str(data["server"]),
        collections=tuple(CollectionSpec.from_json(spec) for spec in data["collections"]),
    )


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    if time.utcoffset() is None:
        raise ValueError("its time has no zone")
    return time.astimezone(UTC)


def _offset(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 86_400:
        raise ValueError("its offset is none of a time zone")
    return value


def differences(expected: Sequence[CollectionSpec], found: Sequence[CollectionSpec]) -> tuple[Text, ...]:
    """What of the expected collections is missing, extra or different; empty when they are equal."""
    wanted = {spec.name: spec for spec in expected}
    there = {spec.name: spec for spec in found}
    result: list[Text] = []
    for name in sorted(wanted.keys() | there.keys()):
        want, have = wanted.get(name), there.get(name)
        if want is None:
            result.append(Text("{name} is there, but not in the backup", name=Code(name)))
        elif have is None:
            result.append(Text("{name} is missing", name=Code(name)))
        elif have.documents != want.documents:
            result.append(
                Text(
                    "{name} holds {have} documents, not {want}",
                    name=Code(name),
                    have=have.documents,
                    want=want.documents,
                )
            )
        elif have.fingerprint != want.fingerprint:
            result.append(Text("{name} has other options or indexes", name=Code(name)))
    return tuple(result)
