"""Who accepts the values of a secret, as far as a rotation changes that: a database's users, AWS's access keys, data,
nobody.

- The bot's webhook lets in what waits beside its token: a new one is given to nobody before it is let in everywhere.
- A pair of users takes turns; the idle one gets the next password, is tried, and is given to nobody before.
- AWS makes access keys itself, two at most: a rotation begins only while there is one. A new key is given to nobody
  before it was let in five times in a row over fifteen seconds. A key of a rotation that failed is switched off and
  deleted; when its secret was lost on the way it is known by being new, and is left alone if anybody has used it.
- An access key is retired when nobody has used it for a day: first it is switched off, a day later deleted. Until then
  going back means switching it on again.
- A key of data is retired when nothing is under it any more, neither live nor in a backup that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from handlers.core.ports import Clock, Entropy
from handlers.core.rotation.access_keys import AccessKeys, KeyFacts, KeyPair
from handlers.core.rotation.accounts import Accounts, Credentials
from handlers.core.rotation.key_holds import KeyHolds
from handlers.core.rotation.key_rings import KeyRing
from handlers.core.rotation.secret_stores import Consumer, Sealed
from handlers.core.rotation.secrets import Secret
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Seconds, Text

UNKNOWN_CHARACTERS = 52
IN_A_ROW = 5
PAUSE_SECONDS = 4.0
KNOCK_SECONDS = 1.0
TRIES_SECONDS = 180.0
UNUSED = timedelta(hours=24)
RESTS = timedelta(hours=24)
SLACK = timedelta(minutes=5)
"""How far two clocks may be apart."""


class Issuer(Protocol):
    """See the module. Everything may be repeated, and raises OutsideError."""

    def before(self, current: Sealed) -> dict[str, Json]:
        """What is so before anything is changed, for the journal. Raises Refusal when a rotation cannot begin."""

    def made(self, version: str, spare: Iterable[Sealed]) -> Sealed | None:
        """The next value, when it is made outside. `spare`: whose place it may take."""

    def accept(self, new: Sealed, before: Sealed, check: Callable[[], None]) -> str:
        """Makes it accepted, and is sure of it; what the journal says of it. Raises OutsideError, permanent when it is
        not accepted."""

    def again(self, former: Sealed) -> None:
        """A former value is about to be in use again."""

    def withdraw(self, new: Sealed | None, before: dict[str, Json], since: Json) -> None:
        """A new value that is in use nowhere. None: it is not known; then what has come after `before` is meant."""

    def unused(self, old: Iterable[Sealed], *, rested: bool) -> None:
        """Raises Refusal while somebody uses a value that is to be retired. `rested`: none has been accepted for a
        while already."""

    def retire(self, current: Sealed, old: Iterable[Sealed], *, ends: bool) -> bool:
        """No former value is accepted any more. Whether that is for good, as it always is with `ends`; if not, this is
        asked once more when the value has rested."""


class _Quiet:
    """What most need not do."""

    def before(self, current: Sealed) -> dict[str, Json]:
        """See Issuer."""
        return {}

    def made(self, version: str, spare: Iterable[Sealed]) -> Sealed | None:
        """See Issuer."""
        return None

    def accept(self, new: Sealed, before: Sealed, check: Callable[[], None]) -> str:
        """See Issuer."""
        return ""

    def again(self, former: Sealed) -> None:
        """See Issuer."""

    def withdraw(self, new: Sealed | None, before: dict[str, Json], since: Json) -> None:
        """See Issuer."""

    def unused(self, old: Iterable[Sealed], *, rested: bool) -> None:
        """See Issuer."""

    def retire(self, current: Sealed, old: Iterable[Sealed], *, ends: bool) -> bool:
        """See Issuer."""
        return True


class Nobody(_Quiet):
    """A value that a store and its programs agree on."""


@dataclass(frozen=True, slots=True)
class Data(Nobody):
    """Data that programs encrypt: as long as something is under a key, that key is in use. `current`: reads the key
    ring that is stored now."""

    secret: Secret
    current: Callable[[], Sealed]
    consumers: Mapping[str, Consumer]
    holds: KeyHolds | None

    def unused(self, old: Iterable[Sealed], *, rested: bool) -> None:
        """No data is under another key than the newest, and no backup needs one."""
        ring = KeyRing.read(self.current())
        others = ring.keys.keys() - {ring.active}
        for name, consumer in self.consumers.items():
            counts = consumer.encrypted()
            left = 0 if counts is None else sum(counts.keys.get(each, 0) for each in others)
            if left:
                raise Refusal(
                    Text(
                        "{count} pieces of data of {name} are still under older keys. `/rotate {secret} reencrypt` "
                        "goes on with them.",
                        count=left,
                        name=Code(name),
                        secret=self.secret.name,
                    )
                )
        if self.holds is not None:
            self.holds.check(self.secret, others)


@dataclass(frozen=True, slots=True)
class Pair(_Quiet):
    """Two users of a database."""

    accounts: Accounts
    users: tuple[str, ...]
    entropy: Entropy

    def accept(self, new: Sealed, before: Sealed, check: Callable[[], None]) -> str:
        """See Issuer."""
        given = Credentials.read(new)
        self.accounts.prepare(given, Credentials.read(before).username)
        self.accounts.works(given)
        return given.username

    def retire(self, current: Sealed, old: Iterable[Sealed], *, ends: bool) -> bool:
        """The idle user gets a password that nobody knows."""
        user = Credentials.read(current).username
        for idle in (each for each in self.users if each != user):
            self.accounts.lock(idle, Sealed(self.entropy.token(UNKNOWN_CHARACTERS).encode()))
        return True


@dataclass(frozen=True, slots=True)
class Keys(_Quiet):
    """The access keys of a user of AWS."""

    keys: AccessKeys
    clock: Clock

    def before(self, current: Sealed) -> dict[str, Json]:
        """Only the stored key is there, and it works."""
        stored, listed = KeyPair.read(current), self.keys.listed()
        mine = next((each for each in listed if each.id == stored.id), None)
        if mine is None or not mine.active:
            raise Refusal(Text("The stored access key is none of this user's active ones. Look at it by hand."))
        return {"keys": [each.id for each in listed]}

    def made(self, version: str, spare: Iterable[Sealed]) -> Sealed | None:
        """See Issuer. Raises Refusal while there are two."""
        if len(self.keys.listed()) > 1:
            for value in spare:
                self._end(KeyPair.read(value).id)
        others = self.keys.listed()
        if len(others) > 1:
            raise Refusal(
                Text(
                    "AWS lets a user have two access keys, and there are two: {keys}. Find out who uses the one that "
                    "is not stored here, and delete it.",
                    keys=", ".join(f"…{each.id[-4:]}" for each in others),
                )
            )
        return self.keys.make().sealed(version)

    def accept(self, new: Sealed, before: Sealed, check: Callable[[], None]) -> str:
        """Waits until AWS knows it everywhere."""
        key = KeyPair.read(new)
        late = Text("AWS does not know the new access key after {time}.", time=Seconds(TRIES_SECONDS))
        _let_in(lambda: self.keys.knock(key), self.clock, check, PAUSE_SECONDS, late)
        return f"…{key.id[-4:]}"

    def again(self, former: Sealed) -> None:
        """It may have been switched off; then AWS needs a while."""
        key = KeyPair.read(former).id
        if not any(each.active for each in self.keys.listed() if each.id == key):
            self.keys.switch(key, active=True)
            self.accept(former, former, lambda: None)

    def withdraw(self, new: Sealed | None, before: dict[str, Json], since: Json) -> None:
        """See Issuer."""
        if new is not None:
            self._end(KeyPair.read(new).id)
            return
        known = before.get("keys")
        if not isinstance(known, list):
            return
        for each in self.keys.listed():
            if each.id not in known and self._lost(each, str(since)):
                self._end(each.id)

    def unused(self, old: Iterable[Sealed], *, rested: bool) -> None:
        """See Issuer. A key that was switched on again is somebody's."""
        ids = [KeyPair.read(value).id for value in old]
        if rested and any(each.active for each in self.keys.listed() if each.id in ids):
            raise Refusal(Text("Somebody switched the old access key on again, so it is not deleted. Find out who."))
        for key in ids:
            used = self.keys.last_used(key)
            if used is not None and self.clock.now() - used < UNUSED:
                raise Refusal(
                    Text(
                        "Somebody used the old access key {key} at {used}, or tried. Find out who; it can be retired "
                        "when nobody has for {time}.",
                        key=Code(f"…{key[-4:]}"),
                        used=used,
                        time=Seconds(UNUSED.total_seconds()),
                    )
                )

    def retire(self, current: Sealed, old: Iterable[Sealed], *, ends: bool) -> bool:
        """Never the one that is in use."""
        for key in sorted({KeyPair.read(value).id for value in old} - {KeyPair.read(current).id}):
            if ends:
                self._end(key)
            else:
                self.keys.switch(key, active=False)
        return ends

    def _end(self, key: str) -> None:
        self.keys.switch(key, active=False)
        self.keys.delete(key)

    def _lost(self, key: KeyFacts, since: str) -> bool:
        """Whether a key came while the rotation asked for one, and nobody can know it."""
        return key.made >= datetime.fromisoformat(since) - SLACK and self.keys.last_used(key.id) is None


@dataclass(frozen=True, slots=True)
class Seeds(_Quiet):
    """Second factors, which one key encrypts: a rotation begins only while each of them can be taken along. `bot`: as
    the consumer of that key."""

    bot: Consumer

    def before(self, current: Sealed) -> dict[str, Json]:
        """See Issuer. Raises OutsideError (permanent) that says which one cannot be."""
        self.bot.healthy()
        return {}


@dataclass(frozen=True, slots=True)
class Doors(_Quiet):
    """The bot's own webhook, at every process that serves it. `door`: what can be knocked at."""

    door: Consumer
    clock: Clock

    def accept(self, new: Sealed, before: Sealed, check: Callable[[], None]) -> str:
        """Waits until every process has seen that it waits."""
        late = Text("The webhook does not let the new token in after {time}.", time=Seconds(TRIES_SECONDS))
        _let_in(lambda: bool(self.door.accepts(new)), self.clock, check, KNOCK_SECONDS, late)
        return ""


def _let_in(knock: Callable[[], bool], clock: Clock, check: Callable[[], None], pause: float, late: Text) -> None:
    """Five times in a row. Raises OutsideError (permanent) when it takes too long, and what `check` raises."""
    deadline, row = clock.monotonic() + TRIES_SECONDS, 0
    while True:
        check()
        row = row + 1 if knock() else 0
        if row == IN_A_ROW:
            return
        if clock.monotonic() >= deadline:
            raise OutsideError(late, permanent=True)
        clock.sleep(pause)
