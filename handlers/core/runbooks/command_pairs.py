"""A rollback by a pair of commands of the team: the first says what it would do, the second does it.

- The first prints lines `service from to`; the second is given `service=to` for each as its last arguments. Both run
  without a shell.
- What runs cannot be seen by others than the pair itself, so nothing is taken back by the bot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from handlers.core.runbooks.deployments import Change, Seen, Version
from handlers.core.runbooks.probes import Finished, Program
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

PLAN_SECONDS = 30.0
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@:+-]{0,250}")


class CommandPair:
    """The Services port."""

    takes_back = False

    def __init__(self, program: Program, plan: Sequence[str], run: Sequence[str]) -> None:
        self._program = program
        self._plan = tuple(plan)
        self._run = tuple(run)

    def look(self) -> Seen:
        """See the port."""
        ended = self._program.run(self._plan, PLAN_SECONDS)
        if ended.code != 0:
            raise OutsideError(Text("ROLLBACK_PLAN_COMMAND did not say what it would do: {output}",
                                    output=ended.output[-300:] or "nothing"))  # fmt: skip
        found = parsed(ended.output)
        return Seen(
            {service: Version(before) for service, (before, _) in found.items()},
            {service: Version(after) for service, (_, after) in found.items()},
        )

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        """What the pair needs, it brings itself."""

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """See the port; what runs now is not looked at."""
        words = (*self._run, *(f"{each.service}={each.after.id}" for each in changes))
        return self._program.run(words, seconds, beat)


def parsed(output: str) -> dict[str, tuple[str, str]]:
    """From and to of each service in the lines of a plan command. Raises OutsideError for anything else in them."""
    found: dict[str, tuple[str, str]] = {}
    for line in filter(None, map(str.strip, output.splitlines())):
        match line.split():
            case [service, before, after] if (
                _SERVICE.fullmatch(service)
                and _VERSION.fullmatch(before)
                and _VERSION.fullmatch(after)
                and service not in found
            ):
                found[service] = (before, after)
            case _:
                raise OutsideError(
                    Text("ROLLBACK_PLAN_COMMAND printed {line}, not `service from to`.", line=Code(line[:100]))
                )
    return found
