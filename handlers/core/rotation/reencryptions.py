"""A re-encryption: a program brings everything under its newest key, batch by batch, while people work.

- Each batch is the program's own compare-and-set: whoever writes meanwhile wins, and has written under the new key.
- It may stop anywhere and begin again from the front: what is under the new key already is passed over.
- Nothing is believed but the program's counters afterwards. What no key opens is left as it is, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from handlers.core.ports import Clock
from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.rotation.secret_stores import Consumer
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Code, Text

ROUNDS = 5
TRIES = 5
UNKNOWN = -1
PAUSE_SECONDS = 2.0
Tell = Callable[[Progress], None]
_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class Rest:
    """What is not under the newest key. `left`: how many pieces, UNKNOWN when nobody counted; `why`: what stopped it,
    None when nothing did; `keys`: how many pieces are under each key, as far as the programs said."""

    left: int
    why: Text | None
    keys: Mapping[str, int]

    def told(self, secret: str, until: datetime | None) -> Text:
        """In words. `until`: how long the old keys are kept for backups that are on their way; None: said before."""
        name, total = Code(secret), sum(self.keys.values())
        if self.left:
            why = self.why or Text("{count} pieces of data are under older keys.", count=self.left)
            if self.left == UNKNOWN and self.why is None:
                why = Text("What was there before is not all under it yet.")
            return Text(
                "New data is under the newest key of {secret}, and every consumer reads all of it. {why} "
                "`/rotate {name} reencrypt` goes on.",
                secret=name,
                why=why,
                name=secret,
            )
        if until is None:
            return Text("All {count} pieces of data are under the newest key.", count=total)
        return Text(
            "{secret} has a new key, and all {count} pieces of data are under it. The old one is kept for backups "
            "until {until} or longer; then retire it.",
            secret=name,
            count=total,
            until=until,
        )


@dataclass(frozen=True, slots=True)
class Reencryption:
    """Of one program's data. `check`: raises when this worker must stop."""

    name: str
    consumer: Consumer
    clock: Clock
    check: Callable[[], None]
    tell: Tell

    def run(self, key: str) -> KeyCounts | None:
        """Until everything that can be opened is under `key`; the counters then. None: it encrypts nothing. Raises
        OutsideError, and what `check` raises."""
        counts, unreadable = self._counts(), 0
        for _ in range(ROUNDS):
            if counts is None or counts.left <= unreadable:
                break
            unreadable = self._round(key, counts)
            counts = self._counts()
        return counts

    def _round(self, key: str, counts: KeyCounts) -> int:
        """From the front to the end; how many could not be opened."""
        after, moved, unreadable = "", 0, 0
        while True:
            self.check()
            self.tell(self._progress(key, counts, moved))
            batch = self._batch(key, after)
            moved, unreadable = moved + batch.moved, unreadable + batch.unreadable
            if not batch.after:
                return unreadable
            if batch.after == after:
                text = Text("The re-encryption of {name} does not go on: it stays at one place.", name=Code(self.name))
                raise OutsideError(text, permanent=True)
            after = batch.after

    def _counts(self) -> KeyCounts | None:
        return self._patiently(self.consumer.encrypted)

    def _batch(self, key: str, after: str) -> Batch:
        return self._patiently(lambda: self.consumer.reencrypt(key, after))

    def _patiently(self, ask: Callable[[], _Told]) -> _Told:
        """A program that is restarted meanwhile is asked again: a batch may be repeated."""
        left = TRIES
        while True:
            left -= 1
            try:
                return ask()
            except OutsideError as error:
                if error.permanent or not left:
                    raise
            self.check()
            self.clock.sleep(PAUSE_SECONDS)

    def _progress(self, key: str, counts: KeyCounts, moved: int) -> Progress:
        left = max(0, counts.left - moved)
        return Progress(
            Text(
                "Re-encrypting the data of {name}: {done} under {key}, {left} still under older keys",
                name=Code(self.name),
                done=counts.keys.get(key, 0) + moved,
                key=Code(key),
                left=left,
            )
        )


def everywhere(
    consumers: Mapping[str, Consumer], key: str, clock: Clock, check: Callable[[], None], tell: Tell
) -> Rest:
    """Every program's data. What a program cannot do ends nothing: it is said. Raises what `check` raises."""
    keys: dict[str, int] = {}
    left, why = 0, None
    for name, consumer in consumers.items():
        stopped: list[BaseException] = []
        try:
            counts = Reencryption(name, consumer, clock, _kept(check, stopped), tell).run(key)
        except OutsideError as error:
            if error in stopped:
                raise
            left, why = UNKNOWN, error.text
            continue
        for each, count in () if counts is None else counts.keys.items():
            keys[each] = keys.get(each, 0) + count
            left += count if each != key and left >= 0 else 0
    return Rest(left, why, keys)


def _kept(check: Callable[[], None], stopped: list[BaseException]) -> Callable[[], None]:
    """The same check; what it raises is remembered, to be told from what a program raises."""

    def checked() -> None:
        try:
            check()
        except OutsideError as error:
            stopped.append(error)
            raise

    return checked
