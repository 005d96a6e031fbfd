"""An export: a range of the audit record with all that proves it, to be given to somebody who has nothing else.

- The first line says what it is: which record (`chain`), from which number on, through which, and the hash before it.
  Then the records as they stand in the file, going on to the next seal, whose signature vouches for all of them.
- A bound is the number of a record or a day (UTC); both ends belong to it.
- `docs/verify_audit.py` checks it alone. Only a record that is whole is exported; one that its seals or its copies
  elsewhere contradict gets no new seal for it either: who has the export alone could not see that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from handlers.core.sealing.seals import SEALED
from handlers.core.words.audit import GENESIS, Verdict, following
from handlers.core.words.digests import canonical
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

FORM = Text("Say from where to where: two numbers of records, or two days like 2026-11-01 2026-11-30.")
MOST_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Range:
    """From where to where; both ends belong to it."""

    first: int | date
    last: int | date

    def begins(self, entry: Mapping[str, Any]) -> bool:
        """Whether this record is not before it."""
        return _place(entry, self.first) >= self.first  # type: ignore[operator]

    def goes_on(self, entry: Mapping[str, Any]) -> bool:
        """Whether this record is not after it."""
        return _place(entry, self.last) <= self.last  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Export:
    """What is given away. `first`, `last`: of the records that were asked for; `through`: of the seal."""

    chain: str
    first: int
    last: int
    through: int
    data: bytes

    @property
    def name(self) -> str:
        """A name for its file."""
        return f"audit-{self.chain[:12]}-{self.first}-{self.last}.jsonl"


def asked(words: Sequence[str]) -> Range:
    """The range that two words say. Raises Refusal."""
    if len(words) != 2:
        raise Refusal(FORM)
    found = Range(_bound(words[0]), _bound(words[1]))
    if type(found.first) is type(found.last) and found.first > found.last:  # type: ignore[operator]
        raise Refusal(Text("The beginning is after the end."))
    return found


def proved(
    lines: Callable[[], Iterable[bytes]],
    examine: Callable[[Iterable[bytes]], Verdict],
    seal: Callable[[], object],
    wanted: Range,
) -> tuple[Export, Verdict]:
    """The range, examined first and then sealed, and what the examination found. Raises Refusal for a record that was
    tampered with, and as `exported`."""
    found = examine(lines())
    if found.problem:
        raise Refusal(
            Text("The audit record was tampered with: {problem}. Nothing of it is exported.", problem=found.problem)
        )
    seal()
    return exported(lines(), wanted), found


def checked(lines: Iterable[bytes]) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
    """The lines with their records, as far as they are whole. Raises Refusal at the first that does not fit."""
    head = GENESIS
    for number, raw in enumerate(lines):
        problem, entry = following(raw, number, head) if raw.endswith(b"\n") else ("is cut", {})
        problem = problem or ("" if _day(entry) else "has no time")
        if problem:
            raise Refusal(
                Text("The audit record is not whole: record {number} {problem}.", number=number, problem=problem)
            )
        head = str(entry["hash"])
        yield raw, entry


def exported(lines: Iterable[bytes], wanted: Range, *, most_bytes: int = MOST_BYTES) -> Export:
    """The range, of at most so many bytes. Raises Refusal when nothing is in it, no seal follows, or the record is not
    whole."""
    kept: list[bytes] = []
    chain, before, first, last, size = "", GENESIS, -1, -1, 0
    for raw, entry in checked(lines):
        chain, number = chain or str(entry["hash"]), int(entry["seq"])
        inside = wanted.begins(entry) and wanted.goes_on(entry)
        if inside and first < 0:
            first, before = number, str(entry["prev"])
        if first < 0:
            continue
        kept.append(raw)
        size += len(raw)
        if size > most_bytes:
            raise Refusal(Text("This is too much for one export. Ask for a shorter range."))
        last = number if inside else last
        if not inside and entry["event"] == SEALED:
            return _export(chain, before, first, last, kept)
    if first < 0:
        raise Refusal(Text("No entry of the audit record is in that range."))
    if b'"event":"audit.sealed"' not in kept[-1]:
        raise Refusal(Text("No seal follows these entries yet. Ask again in a minute."))
    return _export(chain, before, first, last, kept)


def _export(chain: str, before: str, first: int, last: int, kept: Sequence[bytes]) -> Export:
    head = canonical({"export": {"chain": chain, "first": first, "last": last, "prev": before}}) + b"\n"
    return Export(chain, first, last, first + len(kept) - 1, head + b"".join(kept))


def _bound(word: str) -> int | date:
    word = word.removeprefix("#")  # so that a number of six digits is not taken for a code
    if word.isascii() and word.isdigit() and len(word) < 13:
        return int(word)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
        try:
            return date.fromisoformat(word)
        except ValueError:
            pass
    raise Refusal(Text("{word} is neither a number nor a day. {form}", word=Code(word), form=FORM))


def _place(entry: Mapping[str, Any], bound: int | date) -> int | date:
    """Where a record is, in the terms of a bound."""
    return int(entry["seq"]) if isinstance(bound, int) else _day(entry) or date.min


def _day(entry: Mapping[str, Any]) -> date | None:
    """None when it does not say."""
    try:
        return date.fromisoformat(str(entry.get("ts"))[:10])
    except ValueError:
        return None
