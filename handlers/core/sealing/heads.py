"""Heads: what a channel is told of the audit record, so that many people hold what nobody can take back.

- One message a day says the newest seal; each later one of that day is an entry in its thread, with at least
  `pause` between them. A message that was sent is never changed: a head that is edited away anchors nothing.
- Told is the number of the last record and its hash, in the words that `verify_audit.py` takes.
- `headshown:<chain>` holds the newest that the channel really took, with the address of its message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from handlers.core.ports import Clock, State
from handlers.core.sealing.seals import Seal
from handlers.core.words.cards import Card
from handlers.core.words.digests import canonical
from handlers.core.words.postings import Posting
from handlers.core.words.text import Code, Text

KIND = "head"
KEPT_SECONDS, SHOWN_SECONDS = 3 * 86400, 30 * 86400
TRIES = 10


class Heads:
    """The heads of the day. Everything raises OutsideError."""

    def __init__(self, state: State, clock: Clock, pause: timedelta) -> None:
        self._state = state
        self._clock = clock
        self._pause = pause

    def tell(self, seal: Seal) -> bool:
        """Has it told, if it is time to; whether it is."""
        now = self._clock.now()
        name = f"{seal.chain[:12]}-{now:%Y%m%d}"
        for _ in range(TRIES):
            held = self._state.get(f"{KIND}:{name}")
            told: list[Any] = [] if held is None else json.loads(held.value)
            if told and (told[-1]["size"] >= seal.size or now < datetime.fromisoformat(told[-1]["told"]) + self._pause):
                return False
            told.append({"size": seal.size, "head": seal.head, "key": seal.key, "told": now.isoformat()})
            version = None if held is None else held.version
            touch = f"dirty:{KIND}.{name}"
            key, value = f"{KIND}:{name}", canonical(told)
            if self._state.put_if(key, value, version, seconds=KEPT_SECONDS, touch=touch) is not None:
                return True
        return False


@dataclass(frozen=True, slots=True)
class ShownHead:
    """A head that the channel took: how many records it vouches for, since when, and where its message is."""

    size: int
    at: datetime
    address: str


class HeadBoard:
    """What the relay shows of them; see bot.relay.ports.Board. `channel`: where."""

    def __init__(self, state: State, channel: str) -> None:
        self._state = state
        self._channel = channel
        self._said: dict[str, dict[str, Any]] = {}

    def newest(self, chain: str) -> ShownHead | None:
        """What the channel took last of that record. Raises OutsideError."""
        held = self._state.get(f"headshown:{chain[:12]}")
        if held is None:
            return None
        told = json.loads(held.value)
        return ShownHead(int(told["size"]), datetime.fromisoformat(told["told"]), str(told["address"]))

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """Every day has its own message."""
        return {}

    def placed(self, name: str, channel: str, address: str) -> None:
        """Everything that the last posting said is there. Raises OutsideError."""
        told = self._said.pop(name, None)
        if told is None:
            return
        key = f"headshown:{name.partition('-')[0]}"
        held = self._state.get(key)
        if held is None or json.loads(held.value)["size"] < told["size"]:
            value = canonical({"size": told["size"], "told": told["told"], "address": address})
            self._state.put_if(key, value, None if held is None else held.version, seconds=SHOWN_SECONDS)

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """The day's first, and the others in its thread."""
        held = self._state.get(f"{KIND}:{name}")
        if held is None or not self._channel:
            return None
        first, *later = json.loads(held.value)
        self._said[name] = (later or [first])[-1]
        began = datetime.fromisoformat(first["told"])
        return Posting(
            self._channel,
            _card(name, first, began),
            began,
            notes=tuple(_words(each) for each in later),
            ended=datetime.fromisoformat((later or [first])[-1]["told"]),
            urgency=3,
            tells_late=True,
        )


def _card(name: str, told: dict[str, Any], began: datetime) -> Card:
    return Card(
        Text("The audit record has {size} entries", size=told["size"]),
        lines=(
            _words(told),
            Text("Record {chain}, sealed with the key {key}.", chain=Code(name[:12]), key=Code(told["key"])),
        ),
        footer=Text("Sealed at {time}", time=began.astimezone(UTC)),
    )


def _words(told: dict[str, Any]) -> Text:
    return Text("{anchor}", anchor=Code(f"--anchor {told['size'] - 1}:{told['head']}"))
