"""A target and its backups in words: which one is meant, and how a backup reads in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Target
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Bytes, Code, Seconds, Text

KINDS = {
    BackupKind.MANUAL: Text("by hand"),
    BackupKind.SCHEDULED: Text("nightly"),
    BackupKind.PRE_RESTORE: Text("kept before a restore"),
}


def named(targets: Mapping[TargetName, Target], words: Sequence[str]) -> TargetName:
    """The target that the rest of the words names; the first when there are none. Raises Refusal."""
    match words:
        case []:
            return next(iter(targets))
        case [word] if word in targets:
            return TargetName(word)
        case [word]:
            raise Refusal(
                Text("There is no target {word}. There are: {names}.", word=Code(word), names=", ".join(targets))
            )
        case _:
            raise Refusal(Text("That were too many words; nothing was done. `help` shows how it is written."))


def span(start: OpTime, end: OpTime) -> Text:
    """From one moment of the oplog to another."""
    if start.seconds == end.seconds:
        return Text("{time}", time=start.moment)
    return Text("{start} to {end}", start=start.moment, end=end.moment)


def line_of(manifest: Manifest, age_seconds: float) -> Text:
    """One backup in one line."""
    return Text(
        "{id} · {age} old · {size} · {kind}",
        id=Code(manifest.id),
        age=Seconds(age_seconds),
        size=Bytes(manifest.stored_bytes),
        kind=KINDS[manifest.kind],
    )
