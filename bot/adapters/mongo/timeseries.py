"""A time-series copied: MongoDB has no rename for one, so its buckets are written anew, byte for byte.

- What reaches the copy is counted. The source may only lose buckets meanwhile (those that expire), never gain one.
- The copy expires nothing until it is whole: its age is set last.
- Buckets are never decoded: what MongoDB packed is what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

BUCKETS = "system.buckets."
BATCH_DOCUMENTS = 1000
BATCH_BYTES = 16_000_000
"""A command holds 48 MB at most (mongodb.com/docs, maxMessageSizeBytes); one bucket at most 16 MiB."""

Run = Callable[[Mapping[str, Any]], Any]
Raw = Database[RawBSONDocument]
_AGE = "expireAfterSeconds"


def copy_buckets(database: Database[Any], source: str, to: str) -> int:
    """Writes every bucket of the time-series `source` into that of `to`; how many. Raises what the driver raises."""
    raw: Raw = database.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    copied = 0
    for batch in _batches(raw, source):
        raw[f"{BUCKETS}{to}"].insert_many(batch)
        copied += len(batch)
    return copied


def ageless(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with nothing that makes the server delete."""
    return {name: value for name, value in options.items() if name != _AGE}


def give_age(run: Run, name: str, options: Mapping[str, Any]) -> None:
    """Lets the time-series expire as its options say."""
    if _AGE in options:
        run({"collMod": name, _AGE: options[_AGE]})


def check_whole(name: str, *, copied: int, arrived: int, left: int) -> None:
    """Raises OutsideError unless all that were read arrived, and the source (`left` in it now) gained none."""
    if arrived != copied or left > copied:
        raise OutsideError(
            Text(
                "Not every bucket of {name} was copied: {copied} read, {arrived} arrived, {left} are in the source.",
                name=Code(name),
                copied=copied,
                arrived=arrived,
                left=left,
            )
        )


def _batches(raw: Raw, source: str) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    with raw[f"{BUCKETS}{source}"].find() as found:
        for bucket in found:
            if batch and (len(batch) >= BATCH_DOCUMENTS or size + len(bucket.raw) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(bucket)
            size += len(bucket.raw)
    if batch:
        yield batch
