"""An examination: the audit record against everything that vouches for it: its chain, its seals, its copies elsewhere.

- A record without any seal is examined by its chain alone, and that is said.
- Copies that cannot be asked are said too: then a missing end would not have been seen.
- Another record in the same store is remarked: another host's, or the one that this one was put in place of.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from handlers.core.sealing.seals import Fits, Seals
from handlers.core.sealing.segments import CHAIN_CHARACTERS, Archive, Segment, anchors
from handlers.core.words.audit import Verdict, verify
from handlers.core.words.errors import OutsideError


class Examiner:
    """See the module. `keys`: public keys whose seals count, asked anew each time; `archive`: None when there are no
    copies elsewhere."""

    def __init__(self, fits: Fits, keys: Iterable[str], archive: Archive | None) -> None:
        self._fits = fits
        self._keys = keys
        self._archive = archive

    def __call__(self, lines: Iterable[bytes]) -> Verdict:
        """What was found. Raises what reading the lines raises."""
        source = iter(lines)
        first = next(source, b"")
        chain, unasked = _chain(first), ""
        found: tuple[Segment, ...] = ()
        try:
            found = () if self._archive is None else self._archive.segments()
        except OutsideError as error:
            unasked = str(error.text)
        own = [each for each in found if each.chain == chain[:CHAIN_CHARACTERS]]
        seals, known = Seals(self._fits, frozenset(self._keys)), anchors(own)
        verdict = verify(itertools.chain([first] if first else [], source), (seals, known))
        problem = verdict.problem or seals.stranger or ("" if verdict.torn else known.missing(verdict.records))
        remarks = tuple(_remarks(verdict.records, seals, found, chain))
        return replace(
            verdict,
            problem=problem,
            sealed=seals.covered,
            anchored=known.covered,
            unasked=unasked,
            remarks=remarks,
            sealed_at=seals.sealed_at,
        )


def _remarks(records: int, seals: Seals, found: Iterable[Segment], chain: str) -> Iterable[str]:
    if records and not seals.covered:
        yield "nothing of it is sealed with the bot's key yet"
    own = chain[:CHAIN_CHARACTERS]
    others = {each.chain: each.size for each in found if each.chain != own}
    for other, size in sorted(others.items()):
        yield (
            f"the store holds another record too, {other[:12]}… with {size} entries: "
            "another host's, or the one that this one was put in place of"
        )


def _chain(first: bytes) -> str:
    try:
        entry: Any = json.loads(first)
        return str(entry["hash"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
