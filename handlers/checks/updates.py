"""Updates: the month's acknowledged round, what the host still has to install, and versions that get no more fixes.

- A round is acknowledged at least every 35 days; a week before that a task reminds.
- The host is asked by UPDATES_COMMAND, which the team wrote: it prints lines `security N`, `reboot yes|no`, `refreshed
  2026-11-25T06:00:00Z` (when its list of updates was last fetched), and perhaps `node 22.11.0` and `electron 33.0.0`.
- No pending updates in a list older than three days are no news. A line that is missing or odd is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.checks.lifecycles import Lifecycles, supported
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.upkeep import Acknowledged, UpkeepBook
from handlers.core.health.vitals import MongoServer
from handlers.core.ports import Clock
from handlers.core.runbooks.probes import Program
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Person, Seconds, Text

ROUND, REMIND = timedelta(days=35), timedelta(days=28)
FETCHED = timedelta(days=3)
SOURCE = "UPDATES_COMMAND"


@dataclass(frozen=True, slots=True)
class Host:
    """How the host is asked. `words` empty: it is not."""

    program: Program
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdatesCheck:
    """See the module."""

    book: UpkeepBook
    host: Host
    server: MongoServer
    known: Lifecycles
    clock: Clock

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError without the state."""
        now = self.clock.now()
        history = self.book.history(target)
        return (monthly(history, now), *self._host(seconds * 0.5, now), self._mongo(seconds * 0.4, now))

    def _mongo(self, seconds: float, now: datetime) -> Finding:
        try:
            return supported("mongodb", self.server.facts(seconds).version, self.known, now.date())
        except OutsideError as error:
            return unknown("mongodb version", error.text, source="MongoDB")

    def _host(self, seconds: float, now: datetime) -> Iterator[Finding]:
        if not self.host.words:
            yield unknown("pending updates", Text("Nobody asks the host: UPDATES_COMMAND is not set."), source=SOURCE)
            return
        try:
            ended = self.host.program.run(self.host.words, seconds)
        except OutsideError as error:
            yield unknown("pending updates", error.text, source=SOURCE)
            return
        if ended.code != 0:
            how = "took too long" if ended.code is None else f"ended with {ended.code}"
            yield unknown("pending updates", Text("UPDATES_COMMAND {how}.", how=how), source=SOURCE)
            return
        yield from host(said(ended.output), now, self.known)


def said(output: str) -> dict[str, str]:
    """The lines of a host's answer."""
    pairs = (line.split(maxsplit=1) for line in output.splitlines() if line.strip())
    return {each[0]: each[1].strip() for each in pairs if len(each) == 2}


def host(lines: Mapping[str, str], now: datetime, known: Lifecycles) -> Iterator[Finding]:
    """What a host said."""
    yield _pending(lines.get("security", ""), _time(lines.get("refreshed", "")), now)
    yield _reboot(lines.get("reboot", ""))
    for product in ("node", "electron"):
        if product in lines:
            yield supported(product, lines[product], known, now.date())


def _pending(count: str, fetched: datetime | None, now: datetime) -> Finding:
    name = "pending updates"
    if not (count.isascii() and count.isdigit()):
        return unknown(name, Text("The host did not say which updates it waits for."), source=SOURCE)
    if int(count):
        text = Text("{count} security updates are not installed.", count=int(count))
        return failed(name, text, value=count, limit="0", source=SOURCE)
    if fetched is None or not timedelta(0) <= now - fetched + timedelta(hours=1) <= FETCHED + timedelta(hours=1):
        text = Text("No update is pending, in a list that the host fetched too long ago, or nobody knows when.")
        return unknown(name, text, source=SOURCE)
    age = Seconds(max(0.0, (now - fetched).total_seconds()))
    return passed(
        name, Text("No security update is pending, as of {age} ago.", age=age), value="0", limit="0", source=SOURCE
    )


def _reboot(word: str) -> Finding:
    if word == "yes":
        text = Text("The host must be rebooted: what runs is older than what is installed.")
        return failed("reboot", text, value="yes", limit="no", source=SOURCE)
    if word == "no":
        return passed("reboot", Text("The host needs no reboot."), value="no", limit="no", source=SOURCE)
    return unknown("reboot", Text("Whether the host needs a reboot, it did not say."), source=SOURCE)


def _time(word: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(word.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def monthly(history: tuple[Acknowledged, ...], now: datetime) -> Finding:
    """The month's round."""
    name, limit = "monthly round", f"{ROUND.days} days"
    if not history:
        text = Text("Nobody has said yet that the month's security updates are made.")
        return unknown(name, text, source="people")
    last = history[-1]
    made = passed if now - last.at <= ROUND else failed
    age = Seconds((now - last.at).total_seconds())
    text = Text(
        "{person} said {age} ago that the updates are made; {count} rounds are on record.",
        person=Person(last.person),
        age=age,
        count=len(history),
    )
    return made(name, text, value=f"{(now - last.at).days} days", limit=limit, source="people")
