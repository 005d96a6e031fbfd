"""The bot's own keys, read where the rotation engine keeps them, and the bot as a consumer of each.

- What counts is what the store calls current; what waits and what was current before are accepted beside it. So two
  are accepted during an overlap, and whoever was slow to look is never wrong.
- Versions are looked at each time; a value is read once for each version and kept in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import urllib3
from urllib3.exceptions import HTTPError

from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.rotation.secret_stores import Report, Sealed, SecretStore
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text

LET_IN, REFUSED = 400, 401
"""What the webhook answers to an empty body: with a token that is right, and with another."""


class OwnValues:
    """The values of one secret of the bot's. Raises OutsideError when the store cannot be asked."""

    def __init__(self, store: SecretStore, place: str) -> None:
        self._store = store
        self._place = place
        self._known: dict[str, Sealed] = {}
        self._lock = threading.Lock()

    def current(self) -> Sealed:
        """The one that counts. Raises Refusal when there is none."""
        return self.all()[0]

    def all(self) -> tuple[Sealed, ...]:
        """The one that counts, then those that are accepted beside it. Raises Refusal when there is none."""
        shelf = self._store.look(self._place)
        if shelf.current is None:
            raise Refusal(
                Text("{place} has no value yet. Put a first one into the store by hand.", place=Code(self._place))
            )
        wanted = [each.id for each in (shelf.current, shelf.pending, shelf.previous) if each is not None]
        with self._lock:
            known = {version: self._known.get(version) for version in wanted}
        found = {version: held or self._store.value(self._place, version) for version, held in known.items()}
        with self._lock:
            self._known = found  # what is not kept any more is forgotten here too
        return tuple(found.values())


class Accepted:
    """The tokens that the webhook lets in, looked at by `round` every two seconds, so that no request waits for a
    store. When the store is away, those that were known are still let in."""

    def __init__(self, values: OwnValues) -> None:
        self._values = values
        self._tokens: tuple[bytes, ...] | None = None

    def round(self) -> None:
        """One look. Raises a Problem."""
        self._tokens = tuple(each.reveal() for each in self._values.all())

    def __call__(self) -> tuple[bytes, ...]:
        """Those that are let in now. Raises OutsideError while they are not known."""
        if self._tokens is None:
            raise OutsideError(Text("The webhook's token could not be read yet."))
        return self._tokens


class OwnConsumer:
    """The bot as a consumer (handlers.core.rotation.secret_stores.Consumer). `works`: makes it use a value, which is
    what the store calls current, and says whether it does; `sound`: raises Damage for what it could not take along."""

    def __init__(self, works: Callable[[Sealed], bool], sound: Callable[[], None] = lambda: None) -> None:
        self._works = works
        self._sound = sound

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        """See Consumer: it reads its keys by itself."""

    def reports(self, secret: str) -> tuple[Report, ...]:
        """See Consumer: it says no versions."""
        return ()

    def healthy(self) -> bool:
        """See Consumer."""
        try:
            self._sound()
        except Damage as damage:
            raise OutsideError(damage.text, permanent=True) from damage
        return True

    def log_in(self) -> Sealed | None:
        """See Consumer."""
        return None

    def encrypted(self) -> KeyCounts | None:
        """See Consumer: none of its keys is a ring."""
        return None

    def reencrypt(self, key: str, after: str) -> Batch:
        """See Consumer."""
        raise OutsideError(Text("{name} has no address for that.", name=Code("negahban")), permanent=True)

    def accepts(self, token: Sealed) -> bool | None:
        """See Consumer."""
        return self.verified(token)

    def verified(self, value: Sealed) -> bool:
        """See Consumer."""
        try:
            return self._works(value)
        except Damage as damage:
            raise OutsideError(damage.text, permanent=True) from damage


class Knocker:
    """Whether the bot's webhook lets a token in, from outside, with an empty body, which is stored nowhere."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=5.0), retries=False)

    def __call__(self, token: Sealed) -> bool:
        """Raises OutsideError when it cannot be asked."""
        try:
            # A connection of its own each time: behind a balancer, another process may answer.
            headers = {"Authorization": f"Bearer {token.reveal().decode()}", "Connection": "close"}
            status = self._pool.request("POST", self._url, body=b"", headers=headers, redirect=False).status
        except (HTTPError, UnicodeError):
            status = 0
        if status not in {LET_IN, REFUSED}:
            raise OutsideError(Text("The webhook at {url} does not answer as it should.", url=Code(self._url)))
        return status == LET_IN
