"""A rollback: which services go back to which version, planned before a code is asked for.

- The plan is a set of changes `service: from → to`; exactly these are confirmed, and nothing else is done.
- By a pair of commands of the team: the first prints lines `service from to`, the second is given `service=to` for
  each as its last arguments. Both run without a shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from handlers.core.digests import Json
from handlers.core.errors import OutsideError
from handlers.core.probes import Finished, Program
from handlers.core.text import Code, Text

MOST_CHANGES = 40
PLAN_SECONDS = 30.0
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@:+-]{0,250}")


@dataclass(frozen=True, slots=True)
class Change:
    """One service, from what runs now to what ran when it was well."""

    service: str
    before: str
    after: str

    def to_json(self) -> Json:
        """For the plan that is confirmed."""
        return [self.service, self.before, self.after]


class Rollback(Protocol):
    """A way back to what was well."""

    def plan(self) -> tuple[Change, ...]:
        """What would be changed now; empty when everything runs as it did. Raises OutsideError, Refusal."""

    def run(self, changes: Sequence[Change], seconds: float, beat: Iterable[None]) -> Finished:
        """Makes exactly these changes. What `beat` raises goes through. Raises OutsideError."""


class CommandRollback:
    """See the module."""

    def __init__(self, program: Program, plan: Sequence[str], run: Sequence[str]) -> None:
        self._program = program
        self._plan = tuple(plan)
        self._run = tuple(run)

    def plan(self) -> tuple[Change, ...]:
        """See Rollback."""
        ended = self._program.run(self._plan, PLAN_SECONDS)
        if ended.code != 0:
            raise OutsideError(Text("ROLLBACK_PLAN_COMMAND did not say what it would do: {output}",
                                    output=ended.output[-300:] or "nothing"))  # fmt: skip
        return parsed(ended.output)

    def run(self, changes: Sequence[Change], seconds: float, beat: Iterable[None]) -> Finished:
        """See Rollback."""
        words = (*self._run, *(f"{each.service}={each.after}" for each in changes))
        return self._program.run(words, seconds, beat)


def parsed(output: str) -> tuple[Change, ...]:
    """The changes in the lines of a plan command. Raises OutsideError for anything else in them."""
    found: dict[str, Change] = {}
    for line in filter(None, map(str.strip, output.splitlines())):
        match line.split():
            case [service, before, after] if (
                _SERVICE.fullmatch(service)
                and _VERSION.fullmatch(before)
                and _VERSION.fullmatch(after)
                and service not in found
            ):
                if before != after:
                    found[service] = Change(service, before, after)
            case _:
                raise OutsideError(
                    Text("ROLLBACK_PLAN_COMMAND printed {line}, not `service from to`.", line=Code(line[:100]))
                )
    if len(found) > MOST_CHANGES:
        raise OutsideError(Text("A rollback of {count} services is more than I show on a card.", count=len(found)))
    return tuple(found.values())
